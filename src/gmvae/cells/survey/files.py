"""What a file of cells holds, in each form that a reader takes: names, columns and matrices; no values are read."""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import zarr

from gmvae.cells.survey.matrices import WHOLE, StoredMatrix, open_matrix
from gmvae.data.cell_table import read_annotation_table, read_annotations, unique_names
from gmvae.data.readers import tenx_mtx, zarr_store
from gmvae.data.stored_counts import matrix_places
from gmvae.data.tenx_cells import EXPRESSION, check_annotation_file
from gmvae.formats.file_forms import recognise_form
from gmvae.formats.stored_checks import check_whole, has_part, is_array, open_part
from gmvae.formats.stored_tables import column_names, read_column, read_names, struct_fields
from gmvae.pipeline.errors import Refused


class CellFile(NamedTuple):
    """A file of cells, open."""

    path: Path
    source: str  # the reader of its form
    kind: str  # its form in words
    cells: pd.Index  # names [N]
    matrices: list[StoredMatrix]
    var: dict[str, pd.DataFrame]  # by table: the genes' names as index, and the columns of var
    obs_columns: list[str]
    read_obs: Callable[[str], pd.Series | None]  # a column [N]; None where it has too many different values
    is_gene: np.ndarray | None  # [D] which features are genes, where there are others too
    settings: dict[str, str]  # of the reader: genome, prefix, annotations


def open_cells(path: Path, annotations: str = "", genome: str = "", prefix: str | None = None) -> CellFile:
    """Open a file or folder of cells.

    Args:
        path: An .h5ad, an .h5 of 10x, a folder of 10x or a zarr store.
        annotations: For 10x, a csv or tsv file whose first column holds the barcodes; "" for none.
        genome: For an .h5 of 10x with several genomes: which one.
        prefix: For a folder of 10x with several sets of files: what the names of one begin with.

    Returns:
        The file.

    Raises:
        Refused: It is missing, damaged, or of a form without a reader.
    """
    if not path.exists():
        files = path.parent.iterdir() if path.parent.is_dir() else ()
        near = nearest(path.name, (file.name for file in files), cutoff=0.75)
        raise Refused(f"{path}: no such file or folder{near}")
    try:
        form = recognise_form(path)
    except OSError as failure:
        raise Refused(f"{path}: cannot be opened ({failure.strerror or failure}); make it readable") from None
    if not form.source:
        new = path.name.removesuffix(".gz").split(".")[0] + ".h5ad"
        raise Refused(f"{path}: is {form.name}; {form.remedy.format(path=path, new=new, name=path.name)}")
    if form.source == "tenx_mtx":
        return open_tenx_folder(path, form.name, prefix, annotations)
    if form.source == "zarr_store":
        zarr_store.check_files(path)
    store = zarr.open_group(path, mode="r") if form.source == "zarr_store" else h5py.File(path, "r")
    if form.source == "tenx_h5":
        return open_tenx_file(store, path, form.name, genome, annotations)
    if annotations:
        raise Refused(f"{path}: is {form.name}, with columns of its own; leave annotations out")
    return open_anndata(store, path, form.source, form.name)


def nearest(name: str, allowed: Iterable[str], cutoff: float = 0.5) -> str:
    """What a message adds on the names that are like a wrong one; "" if none is."""
    names = sorted(set(map(str, allowed)))
    lowered = {other.lower(): other for other in reversed(names)}
    near = [lowered[key] for key in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=cutoff)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def open_anndata(store: object, path: Path, source: str, kind: str) -> CellFile:
    """An AnnData in HDF5 or zarr."""
    where = str(path)
    cells = unique_names(read_names(store, "obs", where), "obs", where)
    var, matrices = {}, []
    for name, (part_path, table) in matrix_places(store, where).items():
        if table not in var:
            var[table] = read_var(store, table, where)
        part, title = open_part(store, part_path, where), f"{where}: {part_path}"
        if not is_array(part) and not {"data", "indices", "indptr"} <= set(part):
            continue  # a data frame, or another encoding: no matrix of counts
        encoding = str(part.attrs.get("encoding-type", part.attrs.get("h5sparse_format", "csr")))
        shape = len(cells), len(var[table])
        matrices.append(open_matrix(part, name, title, shape, table, not encoding.startswith("csc")))
    group = open_part(store, "obs", where, members=False)
    columns = list(struct_fields(group, where)[1:]) if is_array(group) else column_names(group)

    def read_obs(name: str) -> pd.Series | None:
        part = group[name] if not is_array(group) and has_part(group, name, where) else None
        if part is not None and is_array(part) and not has_few_values(part):
            return None
        return read_column(store, "obs", name, len(cells), where, name)

    return CellFile(path, source, kind, cells, matrices, var, columns, read_obs, None, {})


def has_few_values(part: object, most: int = 500) -> bool:
    """Whether an array that is no categorical has few different values; of texts, some rows are looked at first."""
    if part.dtype.kind == "f":
        return False
    if part.dtype.kind in "iub" or len(part) <= WHOLE:
        return True
    starts = np.linspace(0, len(part) - 100, 20).astype(int).tolist()
    return len({value for start in starts for value in np.asarray(part[start : start + 100]).tolist()}) <= most


def read_var(store: object, table: str, where: str) -> pd.DataFrame:
    """The table of the genes: their names as index, and all columns that can be read."""
    genes = pd.DataFrame(index=read_names(store, table, where).astype(str))
    group = open_part(store, table, where, members=False)
    for name in struct_fields(group, where)[1:] if is_array(group) else column_names(group):
        try:
            genes[name] = read_column(store, table, name, len(genes), where, name).to_numpy()
        except Refused:
            continue  # a column in another encoding, which prepare does not read either
    return genes


def open_tenx_file(store: h5py.File, path: Path, kind: str, genome: str, annotations: str) -> CellFile:
    """An .h5 of Cell Ranger; its matrix is stored by cells."""
    where = str(path)
    is_modern = has_part(store, "matrix", where)
    genomes = [] if is_modern else sorted(store)
    if genomes and genome not in genomes and (genome or len(genomes) > 1):
        raise Refused(f"{where}: genome is '{genome}'; allowed: {', '.join(genomes)}; pass --genome")
    key = "matrix" if is_modern else genome or genomes[0]
    group = open_part(store, key, where)
    n_genes, n_cells = (int(n) for n in group["shape"][...])

    def names(part: str, n: int) -> np.ndarray:
        check_whole(group[part], (n,), f"{where}: {key}/{part}")
        return np.char.decode(group[part][...].astype("S"), "utf-8").astype(object)

    features = "features/id", "features/name", "features/feature_type", "features/genome"
    ids, symbols, *rest = (names(part, n_genes) for part in (features if is_modern else ("genes", "gene_names")))
    is_gene = (rest[0] == EXPRESSION) & ((rest[1] == genome) | (not genome)) if is_modern else None
    if is_gene is not None and genome and genome not in rest[1]:
        raise Refused(f"{where}: genome is '{genome}'; allowed: {', '.join(sorted(filter(None, set(rest[1]))))}")
    var = pd.DataFrame({"gene_ids": ids}, index=pd.Index(symbols))
    matrix = open_matrix(group, "", f"{where}: {key}", (n_cells, n_genes), "var", True)
    settings = {"genome": genome} if genome else {}
    barcodes = pd.Index(names("barcodes", n_cells))
    return annotate_tenx(path, "tenx_h5", kind, barcodes, matrix, var, is_gene, settings, annotations)


def open_tenx_folder(path: Path, kind: str, prefix: str | None, annotations: str) -> CellFile:
    """A folder with a matrix, barcodes and features."""
    chosen = tenx_mtx.choose_prefix(path, prefix)
    text = tenx_mtx.one_file(path, chosen, ["matrix.mtx"])
    features = tenx_mtx.read_names(tenx_mtx.one_file(path, chosen, ["features.tsv", "genes.tsv"]))
    barcodes = pd.Index(tenx_mtx.read_names(tenx_mtx.one_file(path, chosen, ["barcodes.tsv"]))[0].to_numpy())
    tenx_mtx.check_header(text, len(features), len(barcodes))
    var = pd.DataFrame({"gene_ids": features[0].to_numpy()}, index=features[min(1, features.shape[1] - 1)].to_numpy())
    is_gene = (features[2] == EXPRESSION).to_numpy() if features.shape[1] > 2 else None
    shape = len(barcodes), len(features)
    matrix = StoredMatrix("", str(text), "text", shape, "var", np.dtype(float), 0, (text,))
    settings = {"prefix": prefix} if prefix is not None else {}
    return annotate_tenx(path, "tenx_mtx", kind, barcodes, matrix, var, is_gene, settings, annotations)


def annotate_tenx(
    path: Path,
    source: str,
    kind: str,
    barcodes: pd.Index,
    matrix: StoredMatrix,
    var: pd.DataFrame,
    is_gene: np.ndarray | None,
    settings: dict[str, str],
    annotations: str,
) -> CellFile:
    """A file of 10x with the columns of the table of annotations, if there is one."""
    cells = unique_names(barcodes, "obs", str(path))
    if is_gene is not None and not is_gene.any():
        raise Refused(f"{path}: no feature is of type {EXPRESSION}; give a file with genes")
    check_annotation_file(annotations)
    columns = [str(name) for name in read_annotation_table(annotations).columns] if annotations else []
    settings = settings | ({"annotations": str(Path(annotations).resolve())} if annotations else {})

    def read_obs(name: str) -> pd.Series:
        return read_annotations(annotations, cells, {"label": name})["label"]

    if columns:
        read_obs(columns[0])  # refuses a table without one of the cells
    return CellFile(path, source, kind, cells, [matrix], {"var": var}, columns, read_obs, is_gene, settings)
