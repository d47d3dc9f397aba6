"""A file of new cells, in each form that a reader takes: where its counts are, and which of its names of genes fit."""

import importlib
from pathlib import Path
from typing import NamedTuple

import anndata
import h5py
import numpy as np
import pandas as pd
import zarr

from gmvae.cells.survey.files import CellFile, nearest, open_cells
from gmvae.cells.survey.values import choose_counts
from gmvae.data.cell_table import read_annotations
from gmvae.formats.dataset import first_line
from gmvae.formats.stored_tables import read_column
from gmvae.pipeline.errors import Refused

TENX_NAMES = {"symbols": None, "ids": "gene_ids"}  # of 10x: where the survey has them in the table of genes


class FileOfCells(NamedTuple):
    """Where a file of new cells is, and how to read it."""

    path: Path
    counts: str | None = None  # X, raw or the name of a layer; None for a choice by the values
    gene_names: str | None = None  # a column of var, for 10x symbols or ids; None for those that fit best
    condition: str | None = None  # column of obs, or of the annotations
    total: str | None = None  # likewise
    annotations: str = ""  # for 10x: a table by barcode
    genome: str = ""  # for an .h5 of 10x
    prefix: str | None = None  # for a folder of 10x


def read_file_of_cells(file: FileOfCells, wanted: pd.Index) -> tuple[anndata.AnnData, np.ndarray | None]:
    """Read the cells of a file, with the names of genes that fit best to the wanted ones.

    Args:
        file: The file and how to read it.
        wanted: The names of the genes of a model.

    Returns:
        The cells with raw counts in layers["counts"], obs["condition"] if its column is named; and their totals [N] by
        the file, None where no column is named.

    Raises:
        Refused: The file is missing, damaged, of another form or without raw counts, or a named part does not exist.
    """
    try:
        survey = open_cells(file.path, file.annotations, file.genome, file.prefix)
        matrix, _ = choose_counts(survey.matrices, file.counts, str(file.path))
        names = choose_gene_names(survey, matrix.table, file.gene_names, wanted)
        adata = importlib.import_module(f"gmvae.data.readers.{survey.source}").read(
            path=str(file.path), condition=file.condition, **reader_settings(survey, matrix.name, names)
        )
        totals = None if file.total is None else read_totals(survey, file.total, file.annotations)
    except Refused:
        raise
    except Exception as failure:  # h5py, zarr and pandas raise a dozen kinds for one cause
        raise Refused(f"{file.path}: not readable: truncated or damaged ({first_line(failure)}); copy it again") from (
            failure
        )
    return adata, totals


def choose_gene_names(survey: CellFile, table: str, named: str | None, wanted: pd.Index) -> str | None:
    """Choose which names of genes are taken: those that the user names, else those that most wanted genes have.

    Args:
        survey: The file.
        table: The table of its genes.
        named: A column of var, for 10x symbols or ids; None for a choice.
        wanted: The names of the genes of a model [D].

    Returns:
        The column, for 10x symbols or ids; None for the names of var themselves.

    Raises:
        Refused: There is no such column.
    """
    var, is_tenx = survey.var[table], survey.source.startswith("tenx")
    columns = TENX_NAMES if is_tenx else {None: None} | {str(name): str(name) for name in var}
    if named is not None:
        if named not in columns:
            allowed = ", ".join(filter(None, columns)) or "none"
            raise Refused(f"{survey.path}: gene-names is '{named}'; allowed: {allowed}{nearest(named, columns)}")
        return named
    names = {key: var.index if column is None else pd.Index(var[column].astype(str)) for key, column in columns.items()}
    shared = {key: int(wanted.isin(values).sum()) for key, values in names.items()}
    best = max(shared, key=lambda key: shared[key])  # the first of the best
    if best not in (None, "symbols"):
        print(f"genes are named by {best}: {shared[best]} of {len(wanted)} genes of the model are among them")
    return best


def reader_settings(survey: CellFile, counts: str, gene_names: str | None) -> dict:
    """The settings of the reader of a file."""
    settings = {key: value for key, value in survey.settings.items() if value}
    if survey.source.startswith("tenx"):
        return settings | {"genes": gene_names}
    return settings | {"counts": counts, "gene_names": gene_names}


def read_totals(survey: CellFile, column: str, annotations: str) -> np.ndarray:
    """A column of obs, or of the annotations, as numbers [N]. Raises Refused where it holds something else."""
    path, n_cells = survey.path, len(survey.cells)
    if survey.source.startswith("tenx"):
        values = read_annotations(annotations, survey.cells, {"total": column})["total"]
    else:
        store = zarr.open_group(path, mode="r") if survey.source == "zarr_store" else h5py.File(path, "r")
        values = read_column(store, "obs", column, n_cells, str(path), "total")
    totals = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(totals).all():
        raise Refused(f"{path}: obs['{column}'] holds values that are no numbers; name a column of total counts")
    return totals
