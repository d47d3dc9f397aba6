"""h5ad: any AnnData file of cells, described by one config entry: a local path, or a downloaded file."""

from pathlib import Path

import anndata
import h5py
import pandas as pd

from gmvae.data.cell_table import assemble_cells, check_likelihood, file_location
from gmvae.data.stored_counts import matrix_places, read_counts
from gmvae.formats.dataset import unreadable_message
from gmvae.formats.file_forms import check_form
from gmvae.formats.labels import categories_with_gaps
from gmvae.formats.stored_tables import read_column, read_names
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
    var_columns: list[str] | None = None,
    gene_names: str | None = None,
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
        drop_unlabelled: Whether some cells may have no label; the step `prepare` leaves them out.
        var_columns: Columns of var to read too. The step prepare gives the one that `mito_genes` of an entry names.
        gene_names: Column of var with the names of the genes, such as symbols where the file has Ensembl's ids.

    Returns:
        Cells [N, D] with their raw counts in layers["counts"].

    Raises:
        Refused: The file is missing, damaged or lacks a named part, or the matrix holds no counts.
    """
    check_likelihood(likelihood)
    location = file_location("h5ad", raw, path, file)
    check_form(location, "h5ad")
    columns = {"label": label, "condition": condition, "batch": batch}
    try:
        store = h5py.File(location, "r")
        where = str(location)
        return read_store(store, where, columns, counts, likelihood, drop_unlabelled, var_columns or [], gene_names)
    except Refused:
        raise
    except Exception as failure:  # h5py and anndata raise a dozen kinds for one cause
        raise Refused(unreadable_message(location, failure)) from failure


def read_store(
    store: object,
    where: str,
    columns: dict[str, str | None],
    counts: str,
    likelihood: str,
    drop_unlabelled: bool,
    var_columns: list[str],
    gene_names: str | None = None,
) -> anndata.AnnData:
    """Read the named parts of an AnnData; nothing else is read, however large the file.

    Args:
        store: The root group of the file, of h5py or zarr.
        where: The file, for messages.
        columns: For label, condition and batch, the name of the column of obs; None for none.
        counts: Where the raw counts are.
        likelihood: Likelihood of the counts.
        drop_unlabelled: Whether some cells may have no label; the step `prepare` leaves them out.
        var_columns: Columns of var to read too.
        gene_names: Column of var with the names of the genes; None for the names that the file has.

    Returns:
        Cells [N, D] with their raw counts in layers["counts"].

    Raises:
        Refused: A part is missing or damaged, or the matrix holds no counts.
    """
    places = matrix_places(store, where)
    if counts not in places:
        raise Refused(f"{where}: counts is '{counts}', which the file lacks; allowed: {', '.join(sorted(places))}")
    matrix_path, table = places[counts]
    names = read_names(store, "obs", where), read_gene_names(store, table, gene_names, where)
    n_cells, n_genes = map(len, names)
    annotations = {key: read_column(store, "obs", name, n_cells, where, key) for key, name in columns.items() if name}
    matrix = read_counts(store, matrix_path, (n_cells, n_genes), where)
    adata = assemble_cells(names, annotations, matrix, where, likelihood, drop_unlabelled)
    for name in var_columns:
        adata.var[name] = read_column(store, table, name, n_genes, where, "cells.mito_genes").to_numpy()
    return adata


def read_gene_names(store: object, table: str, column: str | None, where: str) -> pd.Index:
    """The names of the genes [D]; of a column, blank ones are replaced by the file's and repeated ones get a number."""
    names = read_names(store, table, where)
    if column is None:
        return names
    values = read_column(store, table, column, len(names), where, "gene_names")
    texts = pd.Series(categories_with_gaps(values), index=names).astype(object)
    return anndata.utils.make_index_unique(pd.Index(texts.where(texts.notna(), names.astype(str)).to_numpy()))
