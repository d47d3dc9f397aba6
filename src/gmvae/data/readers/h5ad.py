"""h5ad: any AnnData file of cells, described by one config entry: a local path, or a downloaded file."""

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from anndata.abc import CSCDataset
from anndata.io import read_elem, sparse_dataset
from scipy import sparse

from gmvae.data.row_blocks import Counts, iterate_blocks
from gmvae.formats.dataset import check_values, unreadable_message
from gmvae.formats.labels import categories_with_gaps
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.pipeline.errors import Refused


def read(
    raw: Path | None = None,
    path: str = "",
    file: str = "",
    label: str | None = None,
    condition: str | None = None,
    batch: str | None = None,
    counts: str = "X",
    likelihood: str = "negative_binomial",
    drop_unlabelled: bool = False,
) -> anndata.AnnData:
    """Read the cells of one AnnData file; counts that are stored by rows stay in the file.

    Args:
        raw: Folder of the source's downloaded files.
        path: A local file. Give either this or `file`.
        file: Name of a downloaded file in `raw`.
        label: Column of obs with the labels.
        condition: Column of obs with the conditions.
        batch: Column of obs with the batches.
        counts: Where the raw counts are: X, raw, or the name of a layer.
        likelihood: Likelihood of the counts, negative_binomial or zero_inflated_negative_binomial.
        drop_unlabelled: Whether to leave out cells without a label.

    Returns:
        Cells [N, D] with their raw counts in layers["counts"].

    Raises:
        Refused: The file is missing, damaged or lacks a named part, or the matrix holds no counts.
    """
    if likelihood not in COUNT_LIKELIHOODS:
        raise Refused(f"likelihood is '{likelihood}'; allowed for counts: {', '.join(COUNT_LIKELIHOODS)}")
    location = file_location(raw, path, file)
    table, genes, matrix = read_parts(location, counts)
    columns = {"label": label, "condition": condition, "batch": batch}
    adata = anndata.AnnData(
        obs=pd.DataFrame(
            {key: annotation_column(table, name, key, location) for key, name in columns.items() if name},
            index=unique_names(table.index, "obs names", location),
        ),
        var=pd.DataFrame(index=unique_names(genes, "var names", location)),
        layers={"counts": matrix},
    )
    adata.uns = {"likelihood": likelihood, "shape": np.array([], dtype=np.int64)}
    return drop_gaps(adata, columns, location, drop_unlabelled)


def file_location(raw: Path | None, path: str, file: str) -> Path:
    """The file to read: the local path, or the downloaded file in `raw`."""
    if bool(path) == bool(file):
        raise Refused(
            "settings of source h5ad: give either path (a local file) or file (a downloaded one), "
            f"found {'both' if path else 'neither'}"
        )
    if path:
        return Path(path)
    if raw is None:
        raise Refused(
            f"settings of source h5ad: file is '{file}' but nothing was downloaded: give the entry a download"
        )
    return raw / file


def read_parts(location: Path, counts: str) -> tuple[pd.DataFrame, pd.Index, Counts]:
    """obs [N, columns], names of genes [D], checked counts [N, D]: nothing else is read, however large the file."""
    if not location.is_file():
        raise Refused(f"{location}: no such file; correct path or file in the entry's settings")
    try:
        obs, matrices = list_matrices(location)
        if counts in matrices:
            element, genes = matrices[counts]
            matrix = matrix_by_rows(element)
            check_values((block.data for _, block in iterate_blocks(matrix)), f"{location}: {counts}")
            return obs, genes, matrix
    except Refused:
        raise
    except Exception as failure:  # h5py and anndata raise a dozen kinds for one cause
        raise Refused(unreadable_message(location, failure)) from failure
    raise Refused(f"{location}: counts is '{counts}', which the file lacks; allowed: {', '.join(sorted(matrices))}")


def list_matrices(location: Path) -> tuple[pd.DataFrame, dict[str, tuple[object, pd.Index]]]:
    """obs, and every matrix of the file by name (X, raw, or that of a layer) with the names of its genes."""
    file = h5py.File(location, "r")
    if "encoding-type" not in file.attrs:  # the layout before 2021: only anndata knows it, and reads the whole file
        whole = anndata.read_h5ad(location)
        matrices = {"X": (whole.X, whole.var_names)}
        matrices |= {name: (layer, whole.var_names) for name, layer in whole.layers.items()}
        return whole.obs, matrices | ({"raw": (whole.raw.X, whole.raw.var_names)} if whole.raw else {})
    genes = read_elem(file["var"]).index
    matrices = {name: (layer, genes) for name, layer in file.get("layers", {}).items()}
    if "X" in file:
        matrices["X"] = file["X"], genes
    if "raw" in file:
        matrices["raw"] = file["raw/X"], read_elem(file["raw/var"]).index
    return read_elem(file["obs"]), matrices


def matrix_by_rows(element: object) -> Counts:
    """A matrix [N, D] to be read by rows: dense and CSR stay in their file, CSC is converted in memory."""
    matrix = sparse_dataset(element) if isinstance(element, h5py.Group) else element
    if isinstance(matrix, CSCDataset):
        matrix = matrix.to_memory()
    return matrix.tocsr() if sparse.issparse(matrix) else matrix


def annotation_column(obs: pd.DataFrame, name: str, key: str, location: Path) -> pd.Categorical:
    """The named column of obs [N] as a categorical of str, its categories sorted; gaps stay gaps."""
    if name not in obs:
        raise Refused(
            f"{location}: {key} is '{name}', not a column of obs; allowed: {', '.join(map(str, obs.columns)) or 'none'}"
        )
    return categories_with_gaps(obs[name])


def unique_names(names: pd.Index, kind: str, location: Path) -> pd.Index:
    """The names as str. Raises Refused where a name repeats."""
    if not names.is_unique:
        raise Refused(
            f"{location}: {int(names.duplicated().sum())} {kind} repeat; call {kind.replace(' ', '_')}_make_unique()"
        )
    return names.astype(str)


def drop_gaps(adata: anndata.AnnData, columns: dict, location: Path, drop_unlabelled: bool) -> anndata.AnnData:
    """The cells without gaps in their annotations. Raises Refused for gaps other than labels that may be dropped."""
    for key in adata.obs:
        gaps = int(adata.obs[key].isna().sum())
        if gaps and not (key == "label" and drop_unlabelled):
            remedy = "set drop_unlabelled: true, or fill them" if key == "label" else "fill them"
            column = f"{location}: {key} column '{columns[key]}'"
            raise Refused(f"{column} has {gaps} gaps among {adata.n_obs} cells; {remedy}")
    complete = adata.obs.notna().all(axis=1).to_numpy()
    return adata if complete.all() else adata[complete].copy()
