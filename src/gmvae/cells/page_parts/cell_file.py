"""An exported file of clustered cells, of which only what a page shows is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from gmvae.formats.dataset import check_h5ad_exists, unreadable_message
from gmvae.formats.latent import decode_part
from gmvae.pipeline.errors import Refused

REQUIRED = ("X", "obs/cluster", "obsm/X_umap", "uns/gmvae", "var")
STATISTICS = {"score": "scores", "log_fold_change": "logfoldchanges", "p_adjusted": "pvals_adj"}


@contextmanager
def open_export(path: Path) -> Iterator[h5py.File]:
    """Open an exported .h5ad for reading.

    Args:
        path: An .h5ad that the step `gmvae.cells.export` wrote.

    Yields:
        The open file.

    Raises:
        Refused: The file is missing or damaged, or lacks a part that the page needs.
    """
    check_h5ad_exists(path)
    try:
        file = h5py.File(path)
    except OSError as failure:
        raise Refused(unreadable_message(path, failure)) from failure
    with file:
        missing = [part for part in REQUIRED if part not in file]
        if missing:
            raise Refused(f"{path} lacks {', '.join(missing)}: delete it and run the step `export` again")
        yield file


def obs_columns(file: h5py.File) -> list[str]:
    """The names of the columns of `obs`, in the order of the table."""
    return [str(name) for name in file["obs"].attrs["column-order"]]


def read_categories(file: h5py.File, name: str) -> pd.Categorical | None:
    """A column of `obs` with categories; truth values count as such.

    Args:
        file: An open .h5ad.
        name: Name of the column.

    Returns:
        The column [N]; None where it has other values.
    """
    part = file["obs"][name]
    if part.attrs.get("encoding-type") == "categorical":
        column = decode_part(part)
        return column.rename_categories([str(category) for category in column.categories])
    if isinstance(part, h5py.Dataset) and part.dtype == bool:
        return pd.Categorical.from_codes(part[()].astype(np.int8), ["no", "yes"])
    return None


def read_numbers(file: h5py.File, name: str) -> np.ndarray | None:
    """A column of `obs` with numbers, [N]; None where it has other values."""
    part = file["obs"][name]
    if isinstance(part, h5py.Dataset) and part.dtype.kind in "iuf":
        return part[()].astype(np.float64)
    return None


def read_cell_names(file: h5py.File, rows: np.ndarray) -> list[str]:
    """The names of some cells; those of the others stay in the file.

    Args:
        file: An open .h5ad.
        rows: Positions of the cells, rising.

    Returns:
        Their names.
    """
    index = file["obs"][file["obs"].attrs["_index"]]
    return [str(name) for name in index.asstr()[rows]]


def read_export_genes(file: h5py.File) -> list[str]:
    """The names of all genes of the file."""
    return [str(name) for name in decode_part(file["var"][file["var"].attrs["_index"]])]


def read_colours(file: h5py.File, column: str, n_categories: int) -> list[str] | None:
    """The colours of a column's categories, as scanpy stores them.

    Args:
        file: An open .h5ad.
        column: Name of a column of `obs`.
        n_categories: How many colours the column needs.

    Returns:
        Colours like #0072b2; None where the file has none for each category.
    """
    part = file["uns"].get(f"{column}_colors")
    colours = [] if part is None else [str(colour)[:7] for colour in decode_part(part)]
    return colours if len(colours) >= n_categories else None


def read_marker_table(file: h5py.File, per_cluster: int) -> pd.DataFrame:
    """The best markers of each cluster, as scanpy's `rank_genes_groups` stores them.

    Args:
        file: An open .h5ad.
        per_cluster: Largest number of genes for a cluster.

    Returns:
        Columns cluster, rank (from 1), gene, score, log_fold_change, p_adjusted; only genes with a positive score, and
        no row for a file without markers.
    """
    if "rank_genes_groups" not in file["uns"]:
        return pd.DataFrame({name: [] for name in ("cluster", "rank", "gene", *STATISTICS)})
    ranking = file["uns/rank_genes_groups"]
    names, tables = ranking["names"][:per_cluster], []
    for cluster in names.dtype.names:
        genes = [name.decode() if isinstance(name, bytes) else str(name) for name in names[cluster]]
        table = pd.DataFrame({"cluster": cluster, "rank": np.arange(1, len(genes) + 1), "gene": genes})
        for column, part in STATISTICS.items():
            stored = ranking[part][:per_cluster] if part in ranking else None
            table[column] = np.nan if stored is None else stored[cluster].astype(np.float64)
        tables.append(table[~(table["score"] <= 0)])
    return pd.concat(tables, ignore_index=True)


def read_record(file: h5py.File) -> dict:
    """What made the clusters, `uns["gmvae"]`: dataset, task, model, seed, K, commit, cells that thresholds dropped."""
    return decode_part(file["uns/gmvae"])
