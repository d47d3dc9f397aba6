"""tenx_mtx: a folder with matrix.mtx, barcodes.tsv and features.tsv or genes.tsv, as Cell Ranger and GEO have them."""

import csv
import gzip
from pathlib import Path

import anndata
import pandas as pd
from anndata.io import read_mtx

from gmvae.data.cell_table import check_likelihood, file_location
from gmvae.data.tenx_cells import check_gene_names, check_packed_text, finish_cells
from gmvae.formats.dataset import first_line
from gmvae.formats.file_forms import check_form
from gmvae.formats.stored_checks import INFLATION, check_memory
from gmvae.pipeline.errors import Refused

ENTRY = 6  # bytes of the shortest line of a matrix: two indices, a value, and what separates them
LINE, COMMENTS = 1 << 16, 1000  # signs and lines of a header, at most
MEMORY = 32  # bytes of an entry while it is read: two indices and a value, twice


def read(
    raw: Path | None = None,
    path: str = "",
    prefix: str | None = None,
    genes: str = "symbols",
    annotations: str = "",
    label: str | None = None,
    condition: str | None = None,
    batch: str | None = None,
    likelihood: str = "negative_binomial",
    drop_unlabelled: bool = False,
    var_columns: list[str] | None = None,
) -> anndata.AnnData:
    """Read the cells of one folder, whose files may be packed by gzip, into memory; only genes are kept.

    Args:
        raw: Ignored, nothing is downloaded.
        path: The folder.
        prefix: What the names of the three files begin with, such as GSM1234_; needed where there are several sets.
        genes: How genes are named: symbols, repeated ones with a number as scanpy does, or ids (Ensembl's).
        annotations: A csv or tsv file with a header whose first column holds the barcodes, for the next three.
        label: Column of the annotations with the labels.
        condition: Column of the annotations with the conditions.
        batch: Column of the annotations with the batches.
        likelihood: Likelihood of the counts, negative_binomial or zero_inflated_negative_binomial.
        drop_unlabelled: Whether some cells may have no label; the step `prepare` leaves them out.
        var_columns: Columns of var to keep: gene_ids or gene_symbols, feature_types.

    Returns:
        Cells [N, D] with their raw counts as CSR in layers["counts"].

    Raises:
        Refused: A file is missing, damaged or does not fit to the others, or the annotations do not fit.
    """
    check_likelihood(likelihood)
    check_gene_names(genes)
    folder = file_location("tenx_mtx", raw, path, "")
    check_form(folder, "tenx_mtx")
    prefix = choose_prefix(folder, prefix)
    matrix = one_file(folder, prefix, ["matrix.mtx"])
    features = read_names(one_file(folder, prefix, ["features.tsv", "genes.tsv"]))
    barcodes = read_names(one_file(folder, prefix, ["barcodes.tsv"]))[0]
    cells = read_matrix(matrix, len(features), len(barcodes))
    cells.obs_names = pd.Index(barcodes.to_numpy())
    cells.var_names = pd.Index(features[min(1, features.shape[1] - 1)].to_numpy())
    cells.var["gene_ids"] = features[0].to_numpy()
    if features.shape[1] > 2:
        cells.var["feature_types"] = features[2].to_numpy()
    columns = {"label": label, "condition": condition, "batch": batch}
    where = str(matrix)
    return finish_cells(cells, genes, annotations, columns, where, likelihood, drop_unlabelled, var_columns or [])


def choose_prefix(folder: Path, prefix: str | None) -> str:
    """What the names of the files begin with. Raises Refused where it is not given and there are several."""
    names = (file.name.removesuffix(".gz") for file in folder.iterdir())
    prefixes = sorted({name.removesuffix("matrix.mtx") for name in names if name.endswith("matrix.mtx")})
    if prefix is None and len(prefixes) == 1:
        return prefixes[0]
    if prefix not in prefixes:
        listed = ", ".join(f"'{allowed}'" for allowed in prefixes)
        raise Refused(f"{folder}: prefix is {'not set' if prefix is None else repr(prefix)}; allowed: {listed}")
    return prefix


def one_file(folder: Path, prefix: str, names: list[str]) -> Path:
    """The file of the folder with one of the names, packed or not. Raises Refused for none and for several."""
    allowed = [f"{prefix}{name}{suffix}" for name in names for suffix in ("", ".gz")]
    present = [name for name in allowed if (folder / name).is_file()]
    if len(present) != 1:
        raise Refused(f"{folder}: has {' and '.join(present) or 'none'} of {', '.join(allowed)}; allowed: one of them")
    return folder / present[0]


def read_names(path: Path) -> pd.DataFrame:
    """The columns of a file of names without a header, as text. Raises Refused where it is damaged."""
    try:
        check_packed_text(path)
        return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    except Refused:
        raise
    except Exception as failure:  # pandas and gzip raise a dozen kinds for one cause
        raise Refused(f"{path}: damaged or no table ({first_line(failure)}); get it again") from failure


def read_matrix(path: Path, n_features: int, n_barcodes: int) -> anndata.AnnData:
    """The counts [cells, features] of a Matrix Market file, checked against the numbers of names before it is read."""
    try:
        check_header(path, n_features, n_barcodes)
        check_packed_text(path)
        matrix = read_mtx(path)
    except Refused:
        raise
    except Exception as failure:  # scipy and gzip raise a dozen kinds for one cause
        raise Refused(f"{path}: damaged or no Matrix Market file ({first_line(failure)}); get it again") from failure
    return matrix.T.copy() if matrix.shape == (n_features, n_barcodes) else matrix


def check_header(path: Path, n_features: int, n_barcodes: int) -> None:
    """Raise Refused where a header does not state a matrix of counts of the named cells that the file can hold."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        kind = file.readline(LINE).lower().split()
        lines = (file.readline(LINE) for _ in range(COMMENTS))  # a file need not have any end of line
        sizes = next((line for line in lines if line.strip() and not line.startswith("%")), "").split()
    if kind[2:3] != ["coordinate"] or kind[3:4] not in (["integer"], ["real"]) or kind[4:] != ["general"]:
        raise Refused(f"{path}: is '{' '.join(kind)}'; allowed: coordinate, integer or real, general; it has no counts")
    n_rows, n_columns, n_values = (int(size) for size in sizes)
    if (n_rows, n_columns) not in {(n_features, n_barcodes), (n_barcodes, n_features)}:
        raise Refused(
            f"{path}: is {n_rows} by {n_columns}; allowed: {n_features} by {n_barcodes}, as the files beside it name "
            "features and barcodes; get the three files again"
        )
    if n_values * ENTRY > path.stat().st_size * (INFLATION if path.suffix == ".gz" else 1) + ENTRY:
        raise Refused(f"{path}: states {n_values} entries, more than a file of its size can hold; get it again")
    check_memory(n_values * MEMORY, str(path))
