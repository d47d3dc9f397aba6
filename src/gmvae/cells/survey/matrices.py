"""The entries of a matrix in a file: some blocks of rows where it is stored by rows, else all of it in one pass."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from gmvae.data.stored_counts import check_chunks, check_repeats, check_shape
from gmvae.formats.count_checks import check_compressed, check_indices
from gmvae.formats.stored_checks import check_memory, is_array

WHOLE = 50_000  # cells; of a larger matrix that is stored by rows, only N_SAMPLE cells are read
N_SAMPLE = 20_000  # cells
BLOCK = 500  # rows that are read at once
PIECE = 1 << 21  # entries that are read at once, where the rows are not together
Entries = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]  # numbers of cells in the sample, genes, values


class StoredMatrix(NamedTuple):
    """A matrix of cells and genes in a file; nothing of its values is read."""

    name: str  # as the setting `counts` names it; "" where the source has no such setting
    where: str  # file and part, for messages
    form: str  # CSR, CSC, dense or text
    shape: tuple[int, int]  # numbers of cells and of genes
    table: str  # the table of its genes
    dtype: np.dtype
    n_stored: int
    parts: tuple  # the dense array; or data, indices and the pointers in memory; or the file of text


def open_matrix(part: object, name: str, where: str, shape: tuple[int, int], table: str, by_rows: bool) -> StoredMatrix:
    """Open a matrix of an HDF5 file or a zarr store.

    Args:
        part: An array, or a group with data, indices and indptr.
        name: As the setting `counts` names it.
        where: File and part, for messages.
        shape: Numbers of cells and of genes.
        table: The table of its genes.
        by_rows: Whether the pointers of a sparse matrix are of cells, not of genes.

    Returns:
        The matrix.

    Raises:
        Refused: It is damaged or has another shape.
    """
    if is_array(part):
        check_shape(part.shape, shape, where)
        return StoredMatrix(name, where, "dense", shape, table, part.dtype, shape[0] * shape[1], (part,))
    data, indices, indptr = (part[key] for key in ("data", "indices", "indptr"))
    check_chunks([data, indices, indptr], where)
    check_memory(8 * int(indptr.shape[0]), where)
    pointers = indptr[...]
    lengths = int(indices.shape[0]), int(data.shape[0])
    n_major, rows = (shape[0], "rows") if by_rows else (shape[1], "columns")
    check_compressed(pointers, lengths, n_major, where, rows)
    check_repeats(pointers, shape[1] if by_rows else shape[0], where)
    form = "CSR" if by_rows else "CSC"
    return StoredMatrix(name, where, form, shape, table, data.dtype, lengths[1], (data, indices, pointers))


def sample_blocks(matrix: StoredMatrix, whole: int = WHOLE, n_sample: int = N_SAMPLE) -> list[slice]:
    """Choose the blocks of rows that are looked at; the same for the same number of cells.

    Args:
        matrix: The matrix.
        whole: The largest number of cells that are all looked at.
        n_sample: How many cells of a larger matrix are looked at.

    Returns:
        All rows, or blocks at equal distances; one block of all rows for a matrix that is not stored by rows.
    """
    n_cells = matrix.shape[0]
    if matrix.form in ("CSC", "text"):
        return [slice(0, n_cells)]
    if n_cells <= whole:
        return [slice(start, min(start + BLOCK, n_cells)) for start in range(0, n_cells, BLOCK)]
    starts = np.linspace(0, n_cells - BLOCK, n_sample // BLOCK).astype(int).tolist()
    return [slice(start, start + BLOCK) for start in starts]


def iterate_entries(matrix: StoredMatrix, blocks: list[slice]) -> Entries:
    """Iterate over the entries of some rows.

    Args:
        matrix: The matrix.
        blocks: The rows, as `sample_blocks` returns them.

    Yields:
        The number of the cell among the rows, the gene and the value of each entry [n]; zeros may be among them.

    Raises:
        Refused: An index is outside the matrix.
    """
    if matrix.form == "text":
        yield from text_entries(matrix)
    elif matrix.form == "CSC":
        yield from column_entries(matrix, slice(0, matrix.shape[1]))
    else:
        offset = 0
        for block in blocks:
            cells, genes, values = row_entries(matrix, block)
            yield cells + offset, genes, values
            offset += block.stop - block.start


def row_entries(matrix: StoredMatrix, block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows within the block, genes and values of the entries [n] of a block of a dense matrix or CSR."""
    if matrix.form == "dense":
        rows = matrix.parts[0][block]
        cells, genes = np.nonzero(rows)
        return cells, genes, rows[cells, genes]
    data, indices, pointers = matrix.parts
    bounds = pointers[block.start : block.stop + 1].astype(np.int64)
    genes = indices[bounds[0] : bounds[-1]]
    check_indices(genes, matrix.shape[1], matrix.where)
    return np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)), genes, data[bounds[0] : bounds[-1]]


def column_entries(matrix: StoredMatrix, columns: slice) -> Entries:
    """The entries of neighbouring columns of CSC, piece by piece."""
    data, indices, pointers = matrix.parts
    bounds = pointers[columns.start : columns.stop + 1].astype(np.int64)
    for start in range(int(bounds[0]), int(bounds[-1]), PIECE):
        stop = min(start + PIECE, int(bounds[-1]))
        cells = indices[start:stop]
        check_indices(cells, matrix.shape[0], matrix.where)
        genes = np.repeat(np.arange(columns.start, columns.stop), np.diff(np.clip(bounds, start, stop)))
        yield cells, genes, data[start:stop]


def text_entries(matrix: StoredMatrix) -> Entries:
    """The entries of a Matrix Market file whose header was checked, piece by piece."""
    path: Path = matrix.parts[0]
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        sizes = next(line for line in file if line.strip() and not line.startswith("%")).split()
        names = ["gene", "cell"] if (int(sizes[1]), int(sizes[0])) == matrix.shape else ["cell", "gene"]
        for piece in pd.read_csv(file, sep=r"\s+", header=None, names=[*names, "value"], chunksize=PIECE):
            cells, genes = piece["cell"].to_numpy() - 1, piece["gene"].to_numpy() - 1
            check_indices(cells, matrix.shape[0], matrix.where)
            check_indices(genes, matrix.shape[1], matrix.where)
            yield cells, genes, piece["value"].to_numpy()
