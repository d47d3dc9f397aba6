"""h5ad: any AnnData file of cells, named by one config entry: a local path, or a file that step fetch downloaded."""

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
    """The cells [N, D] of one AnnData file, their raw counts in layers["counts"], left in the file if stored by rows.

    path: a local file; or file: its name among the downloaded ones in `raw`. label, condition, batch: the columns of
    obs that hold them. counts: where the raw counts are: X, raw, or the name of a layer. likelihood: negative_binomial
    or zero_inflated_negative_binomial. drop_unlabelled: leave out the cells without a label.
    Raises Refused where the file is missing, damaged, lacks a named part, or the counts are none.
    """
    if likelihood not in COUNT_LIKELIHOODS:
        raise Refused(f"likelihood is '{likelihood}'; allowed for counts: {', '.join(COUNT_LIKELIHOODS)}")
    place = file_location(raw, path, file)
    table, genes, matrix = read_parts(place, counts)
    columns = {"label": label, "condition": condition, "batch": batch}
    adata = anndata.AnnData(
        obs=pd.DataFrame(
            {key: annotation_column(table, name, key, place) for key, name in columns.items() if name},
            index=unique_names(table.index, "obs names", place),
        ),
        var=pd.DataFrame(index=unique_names(genes, "var names", place)),
        layers={"counts": matrix},
    )
    adata.uns = {"likelihood": likelihood, "shape": np.array([], dtype=np.int64)}
    return drop_gaps(adata, columns, place, drop_unlabelled)


def file_location(raw: Path | None, path: str, file: str) -> Path:
    """The file to read: the local path, or the downloaded file in `raw`."""
    if bool(path) == bool(file):
        raise Refused(
            "settings of source h5ad: give either path (a local file) or file (a download's), "
            f"found {'both' if path else 'neither'}"
        )
    if path:
        return Path(path)
    if raw is None:
        raise Refused(
            f"settings of source h5ad: file is '{file}' but nothing was downloaded: give the entry a download"
        )
    return raw / file


def read_parts(place: Path, counts: str) -> tuple[pd.DataFrame, pd.Index, Counts]:
    """obs [N, columns], names of genes [D], checked counts [N, D]: no more is read, however large the file."""
    if not place.is_file():
        raise Refused(f"{place}: no such file; correct path or file in the entry's settings")
    try:
        obs, found = list_matrices(place)
        if counts in found:
            element, genes = found[counts]
            matrix = matrix_by_rows(element)
            check_values((block.data for _, block in iterate_blocks(matrix)), f"{place}: {counts}")
            return obs, genes, matrix
    except Refused:
        raise
    except Exception as failure:  # h5py and anndata raise a dozen kinds for one cause
        raise Refused(unreadable_message(place, failure)) from failure
    raise Refused(f"{place}: counts is '{counts}', which the file lacks; allowed: {', '.join(sorted(found))}")


def list_matrices(place: Path) -> tuple[pd.DataFrame, dict[str, tuple[object, pd.Index]]]:
    """obs, and every matrix of the file by name, X, raw or a layer's, with the names of its genes."""
    file = h5py.File(place, "r")
    if "encoding-type" not in file.attrs:  # the layout of before 2021: only anndata knows it, and reads it whole
        whole = anndata.read_h5ad(place)
        found = {"X": (whole.X, whole.var_names)} | {
            name: (whole.layers[name], whole.var_names) for name in whole.layers
        }
        return whole.obs, found | ({"raw": (whole.raw.X, whole.raw.var_names)} if whole.raw else {})
    genes = read_elem(file["var"]).index
    found = {name: (layer, genes) for name, layer in file.get("layers", {}).items()}
    if "X" in file:
        found["X"] = file["X"], genes
    if "raw" in file:
        found["raw"] = file["raw/X"], read_elem(file["raw/var"]).index
    return read_elem(file["obs"]), found


def matrix_by_rows(element: object) -> Counts:
    """A matrix [N, D] to be read by rows: dense and CSR stay in their file, CSC is turned in memory."""
    found = sparse_dataset(element) if isinstance(element, h5py.Group) else element
    if isinstance(found, CSCDataset):
        found = found.to_memory()
    return found.tocsr() if sparse.issparse(found) else found


def annotation_column(obs: pd.DataFrame, name: str, key: str, place: Path) -> pd.Categorical:
    """The named column of obs [N] as a categorical of str, its categories sorted; gaps stay gaps."""
    if name not in obs:
        raise Refused(
            f"{place}: {key} is '{name}', no column of obs; allowed: {', '.join(map(str, obs.columns)) or 'none'}"
        )
    values = obs[name]
    return pd.Categorical(values.astype(object).where(values.isna(), values.astype(str)))


def unique_names(names: pd.Index, kind: str, place: Path) -> pd.Index:
    """The names as str. Raises Refused where one repeats."""
    if not names.is_unique:
        raise Refused(
            f"{place}: {int(names.duplicated().sum())} {kind} repeat; call {kind.replace(' ', '_')}_make_unique()"
        )
    return names.astype(str)


def drop_gaps(adata: anndata.AnnData, columns: dict, place: Path, drop_unlabelled: bool) -> anndata.AnnData:
    """The cells whose annotations are all there. Gaps in the label are dropped if asked, any other gap is refused."""
    for key in adata.obs:
        gaps = int(adata.obs[key].isna().sum())
        if gaps and not (key == "label" and drop_unlabelled):
            remedy = "set drop_unlabelled: true, or fill them" if key == "label" else "fill them"
            raise Refused(f"{place}: {key} column '{columns[key]}' has {gaps} gaps among {adata.n_obs} cells; {remedy}")
    kept = adata.obs.notna().all(axis=1).to_numpy()
    return adata if kept.all() else adata[kept].copy()
