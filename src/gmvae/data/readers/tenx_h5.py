"""tenx_h5: a feature-barcode matrix of 10x Genomics as Cell Ranger writes it, .h5 of version 2, 3 or later."""

import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import scanpy

from gmvae.data.cell_table import check_likelihood, file_location
from gmvae.data.stored_counts import check_repeats
from gmvae.data.tenx_cells import check_gene_names, finish_cells
from gmvae.formats.count_checks import check_compressed, check_count_type, check_indices
from gmvae.formats.dataset import first_line
from gmvae.formats.file_forms import check_form
from gmvae.formats.stored_checks import check_whole, has_part, open_part
from gmvae.pipeline.errors import Refused

BLOCK = 1 << 24  # indices that are checked at once


def read(
    raw: Path | None = None,
    path: str = "",
    file: str = "",
    genome: str | None = None,
    genes: str = "symbols",
    annotations: str = "",
    label: str | None = None,
    condition: str | None = None,
    batch: str | None = None,
    likelihood: str = "negative_binomial",
    drop_unlabelled: bool = False,
    var_columns: list[str] | None = None,
) -> anndata.AnnData:
    """Read the cells of one 10x file into memory; only genes are kept.

    Args:
        raw: Folder of the source's downloaded files.
        path: A local file. Give either this or `file`.
        file: Name of a downloaded file in `raw`.
        genome: Only genes of this genome; all by default. A file of version 2 with several genomes needs it.
        genes: How genes are named: symbols, repeated ones with a number as scanpy does, or ids (Ensembl's).
        annotations: A csv or tsv file with a header whose first column holds the barcodes, for the next three.
        label: Column of the annotations with the labels.
        condition: Column of the annotations with the conditions.
        batch: Column of the annotations with the batches.
        likelihood: Likelihood of the counts, negative_binomial or zero_inflated_negative_binomial.
        drop_unlabelled: Whether some cells may have no label; the step `prepare` leaves them out.
        var_columns: Columns of var to keep: gene_ids or gene_symbols, feature_types, genome.

    Returns:
        Cells [N, D] with their raw counts as CSR in layers["counts"].

    Raises:
        Refused: The file is missing, damaged or of another form, or the annotations do not fit to it.
    """
    check_likelihood(likelihood)
    check_gene_names(genes)
    location = file_location("tenx_h5", raw, path, file)
    check_form(location, "tenx_h5")
    try:
        with h5py.File(location, "r") as store:
            check_matrix_group(store, genome, str(location))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names of genes repeat: they are made unique later
            cells = scanpy.read_10x_h5(location, genome=genome, gex_only=False)
    except Refused:
        raise
    except Exception as failure:  # h5py and scanpy raise a dozen kinds for one cause
        raise Refused(f"{location}: not readable as a 10x file ({first_line(failure)}); get it again") from failure
    columns = {"label": label, "condition": condition, "batch": batch}
    where = str(location)
    return finish_cells(cells, genes, annotations, columns, where, likelihood, drop_unlabelled, var_columns or [])


def check_matrix_group(store: h5py.File, genome: str | None, where: str) -> None:
    """Raise Refused where the matrix of a file is damaged, does not fit to the names, or is not that of the genome."""
    modern = has_part(store, "matrix", where)
    genomes = sorted(store) if not modern else []
    if not modern and genome not in genomes and (genome or len(genomes) > 1):
        raise Refused(f"{where}: genome is '{genome or ''}'; allowed: {', '.join(genomes)}")
    key = "matrix" if modern else genome or genomes[0]
    group = open_part(store, key, where)
    name = f"{where}: {key}"
    if modern and genome:
        listed = sorted({text.decode() for text in np.unique(group["features/genome"][...])})
        if genome not in listed:
            raise Refused(f"{where}: genome is '{genome}'; allowed: {', '.join(listed)}")
    n_genes, n_cells = (int(n) for n in group["shape"][...])
    check_whole(group["barcodes"], (n_cells,), f"{name}/barcodes")
    for part in ("features/id", "features/name", "features/feature_type") if modern else ("genes", "gene_names"):
        check_whole(group[part], (n_genes,), f"{name}/{part}")
    for part in "indptr", "data", "indices":
        check_whole(group[part], tuple(group[part].shape[:1]), f"{name}/{part}")
    check_count_type(group["data"].dtype, f"{name}/data")
    indices = group["indices"]
    check_compressed(group["indptr"][...], (len(indices), len(group["data"])), n_cells, name, "cells")
    check_repeats(group["indptr"][...], n_genes, name)
    for start in range(0, len(indices), BLOCK):
        check_indices(indices[start : start + BLOCK], n_genes, name)
