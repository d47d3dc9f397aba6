"""What the readers of 10x files share: which features are genes, how these are named, and annotations of cells."""

import gzip
import zlib
from pathlib import Path

import anndata
import pandas as pd
from scipy import sparse

from gmvae.data.cell_table import assemble_cells, read_annotations
from gmvae.data.row_blocks import canonical_counts
from gmvae.formats.count_checks import check_values
from gmvae.pipeline.errors import Refused

GENE_NAMES = ("symbols", "ids")
EXPRESSION = "Gene Expression"  # the type of features that are genes
RATIO = 100  # how many bytes of text one byte of gzip may stand for: names, counts and annotations take 3 to 30
SMALL_TEXT = 1 << 26  # bytes that a text may have whatever its file's size


def check_gene_names(genes: str) -> None:
    """Check the setting of how genes are named.

    Args:
        genes: Its value.

    Raises:
        Refused: It is neither symbols nor ids.
    """
    if genes not in GENE_NAMES:
        raise Refused(f"genes is '{genes}'; allowed: {', '.join(GENE_NAMES)}")


def check_packed_text(path: Path) -> None:
    """Check that a text that is read at once is not made to fill the memory; it is unpacked piece by piece.

    Args:
        path: A file that exists; only one packed by gzip is checked.

    Raises:
        Refused: It unpacks to far more than a text of its kind does.
    """
    if path.suffix != ".gz":
        return
    allowed, size = max(SMALL_TEXT, RATIO * path.stat().st_size), 0
    with gzip.open(path) as text:
        while piece := text.read(1 << 20):
            size += len(piece)
            if size > allowed:
                raise Refused(
                    f"{path}: unpacks to more than {allowed / 1e6:.0f} MB, {RATIO} times its size, which no list of "
                    "names, counts or annotations does; get it again"
                )


def finish_cells(
    cells: anndata.AnnData,
    genes: str,
    annotations: str,
    columns: dict[str, str | None],
    where: str,
    likelihood: str,
    drop_unlabelled: bool,
    var_columns: list[str],
) -> anndata.AnnData:
    """Turn what scanpy reads of a 10x file into what readers return.

    Args:
        cells: Counts [N, features] in X as CSR; var has `gene_ids`, and `feature_types` where the file has it.
        genes: How genes are named, by symbols or ids.
        annotations: A table of annotations by barcode; "" for none.
        columns: For label, condition and batch, the name of the column of the table; None for none.
        where: The file, for messages.
        likelihood: Likelihood of the counts.
        drop_unlabelled: Whether some cells may have no label; the step `prepare` leaves them out.
        var_columns: Columns of var to keep.

    Returns:
        Cells [N, D] with their raw counts in layers["counts"], genes only.

    Raises:
        Refused: No feature is a gene, the values are no counts, or the annotations do not fit.
    """
    check_annotation_file(annotations)
    values = read_annotations(annotations, cells.obs_names, columns)
    cells = keep_genes(cells, where)
    name_genes(cells, genes, where)
    counts = canonical_counts(sparse.csr_matrix(cells.X))
    check_values([counts.data], where)
    names = cells.obs_names, cells.var_names
    adata = assemble_cells(names, values, counts, where, likelihood, drop_unlabelled)
    for name in var_columns:
        if name not in cells.var:
            allowed = ", ".join(cells.var.columns)
            raise Refused(f"{where}: cells.mito_genes is '{name}', not a column of var; allowed: {allowed}")
        adata.var[name] = cells.var[name].to_numpy()
    return adata


def check_annotation_file(path: str) -> None:
    """Check a table of annotations before it is read.

    Args:
        path: The table; "" for none.

    Raises:
        Refused: It is packed and damaged, or unpacks to far more than a table does.
    """
    if not Path(path).is_file():
        return  # who reads it says so
    try:
        check_packed_text(Path(path))
    except (OSError, EOFError, zlib.error) as failure:
        raise Refused(f"annotations: {path}: damaged ({failure}); give a csv or tsv file") from failure


def keep_genes(cells: anndata.AnnData, where: str) -> anndata.AnnData:
    """The cells on the features that are genes; the number and types of the others are printed."""
    if "feature_types" not in cells.var:  # before Cell Ranger 3 there were no other features
        return cells
    expression = (cells.var["feature_types"] == EXPRESSION).to_numpy()
    sizes = cells.var["feature_types"][~expression].value_counts()
    others = ", ".join(f"{n} of type {feature_type}" for feature_type, n in sizes.items())
    if not expression.any():
        raise Refused(f"{where}: no feature is of type {EXPRESSION}; found {others or 'none'}; give one with genes")
    if others:
        print(f"{where}: left out {others}; {expression.sum()} features of type {EXPRESSION} are kept")
    return cells if expression.all() else cells[:, expression].copy()


def name_genes(cells: anndata.AnnData, genes: str, where: str) -> None:
    """Name genes by their symbols, repeated ones made unique as scanpy does, or by their ids; in place."""
    if genes == "ids":
        cells.var["gene_symbols"] = cells.var_names.to_numpy()
        cells.var_names = pd.Index(cells.var["gene_ids"].astype(str).to_numpy())
        return
    n_repeated = int(cells.var_names.duplicated().sum())
    if n_repeated:
        print(f"{where}: {n_repeated} gene symbols repeat and get a number, as GENE-1; `genes: ids` names genes by ids")
        cells.var_names_make_unique()
