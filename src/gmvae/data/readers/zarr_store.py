"""zarr_store: an AnnData of cells in a zarr store, a folder, described by one config entry like an .h5ad file."""

import os
from pathlib import Path

import anndata
import zarr

from gmvae.data.cell_table import check_likelihood, file_location
from gmvae.data.readers.h5ad import read_store
from gmvae.formats.dataset import first_line
from gmvae.formats.file_forms import check_form
from gmvae.pipeline.errors import Refused


def read(
    raw: Path | None = None,
    path: str = "",
    label: str | None = None,
    condition: str | None = None,
    batch: str | None = None,
    counts: str = "X",
    likelihood: str = "negative_binomial",
    drop_unlabelled: bool = False,
    var_columns: list[str] | None = None,
    gene_names: str | None = None,
) -> anndata.AnnData:
    """Read the cells of one zarr store; counts that are stored by rows stay in the store.

    Args:
        raw: Ignored, nothing is downloaded.
        path: The folder.
        label: Column of obs with the labels.
        condition: Column of obs with the conditions.
        batch: Column of obs with the batches.
        counts: Where the raw counts are: X, raw, or the name of a layer.
        likelihood: Likelihood of the counts, negative_binomial or zero_inflated_negative_binomial.
        drop_unlabelled: Whether some cells may have no label; the step `prepare` leaves them out.
        var_columns: Columns of var to read too. The step prepare gives the one that `mito_genes` of an entry names.
        gene_names: Column of var with the names of the genes, such as symbols where the store has Ensembl's ids.

    Returns:
        Cells [N, D] with their raw counts in layers["counts"].

    Raises:
        Refused: The store is missing, damaged or lacks a named part, or the matrix holds no counts.
    """
    check_likelihood(likelihood)
    location = file_location("zarr_store", raw, path, "")
    check_form(location, "zarr_store")
    check_files(location)
    columns = {"label": label, "condition": condition, "batch": batch}
    try:
        store = zarr.open_group(location, mode="r")
        where = str(location)
        return read_store(store, where, columns, counts, likelihood, drop_unlabelled, var_columns or [], gene_names)
    except Refused:
        raise
    except Exception as failure:  # zarr and anndata raise a dozen kinds for one cause
        raise Refused(
            f"{location}: not readable as a zarr store of anndata ({first_line(failure)}); copy or write it again"
        ) from failure


def check_files(store: Path) -> None:
    """Check that a store holds files and folders only: reading a pipe waits forever, and a device may have no end.

    Args:
        store: The folder.

    Raises:
        Refused: It holds something else, or a link to nothing.
    """
    for folder, _, names in os.walk(store):
        for name in names:
            path = Path(folder, name)
            if not path.is_file():
                raise Refused(f"{path}: is no file, or a link to none; copy the store again")
