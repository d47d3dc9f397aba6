"""From the matrices of a data set to the smallest form that gives their values back to the last bit."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse

from gmvae.formats.memory_mapped import is_mapped
from gmvae.nn.row_storage import BLOCK, CsrLayout, CsrRows, GreyLevels, MappedRows, Matrix

COUNT_DTYPES = (np.uint8, np.int16, np.int32)  # kinds of number that counts are kept in: the first that holds them


def pack_counts(
    x: np.ndarray | sparse.csr_matrix, counts: np.ndarray | sparse.csr_matrix, rows: np.ndarray, device: torch.device
) -> tuple[Matrix, CsrRows]:
    """Some rows of what models see and of the counts; they share their places where they are 0 at the same ones."""
    counts = canonical_csr(sparse.csr_matrix(counts))
    places = csr_layout(counts, rows, device)
    kind = counts.dtype if is_mapped(counts.data) else smallest_dtype(counts.data)
    target = pack_csr(counts.data.astype(kind, copy=False), places)
    if not sparse.issparse(x) and (np.count_nonzero(x) != counts.nnz or x.shape != counts.shape):
        return pack_rows(x, rows, device), target
    x = canonical_csr(sparse.csr_matrix(x))
    if not arrays_equal(x.indptr, counts.indptr) or not arrays_equal(x.indices, counts.indices):
        return pack_rows(x, rows, device), target
    return pack_csr(x.data, places), target


def pack_csr(values: np.ndarray, places: CsrLayout) -> CsrRows:
    """The values at the places, on their device."""
    return CsrRows(places, torch.as_tensor(values, device=places.start.device))


def canonical_csr(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix, in a copy if need be, such that each row's places are sorted, and each is there once and not 0."""
    if matrix.has_canonical_format and not any((block == 0).any() for block in array_blocks(matrix.data)):
        return matrix
    matrix = matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def arrays_equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the two arrays are equal."""
    if one is other or one.shape != other.shape:
        return one is other
    return all(np.array_equal(one[part], other[part]) for part in row_slices(len(one), 1))


def pack_rows(matrix: np.ndarray | sparse.csr_matrix, rows: np.ndarray, device: torch.device) -> Matrix:
    """Some rows of a matrix of float32 in the smallest form that gives its values back to the last bit."""
    if sparse.issparse(matrix):
        matrix = canonical_csr(matrix.tocsr())
        return pack_csr(matrix.data, csr_layout(matrix, rows, device))
    if is_mapped(matrix):
        return MappedRows(torch.as_tensor(matrix), torch.as_tensor(rows))
    n_levels = n_grey_levels(matrix)
    if not n_levels:
        return torch.as_tensor(matrix[rows], device=device)
    codes = np.empty((len(rows), matrix.shape[1]), dtype=np.uint8)
    for part in row_slices(len(rows), matrix.shape[1]):
        codes[part] = np.rint(matrix[rows[part]] * np.float32(n_levels))
    return GreyLevels(torch.as_tensor(codes, device=device), n_levels)


def csr_layout(matrix: sparse.csr_matrix, rows: np.ndarray, device: torch.device) -> CsrLayout:
    """Where those rows' entries stand in the matrix's own arrays, which are not copied; where these are mapped from
    a file, the places stay on the CPU."""
    device = torch.device("cpu") if is_mapped(matrix.data) or is_mapped(matrix.indices) else device
    start = torch.as_tensor(matrix.indptr[:-1].astype(np.int64)[rows], device=device)
    length = torch.as_tensor(np.diff(matrix.indptr).astype(np.int64)[rows], device=device)
    feature = torch.as_tensor(matrix.indices.astype(np.int32, copy=False), device=device)
    return CsrLayout(start, length, feature, matrix.shape[1])


def n_grey_levels(matrix: np.ndarray) -> int:
    """n, of the smallest positive value, if all values are k / n for whole k from 0 to 255, exactly; else 0."""
    smallest = min((float(block[block > 0].min(initial=np.inf)) for block in array_blocks(matrix)), default=np.inf)
    n = round(1 / smallest) if 1 / 256 < smallest < np.inf else 0
    return n if n and all(are_grey_levels(block, n) for block in array_blocks(matrix)) else 0


def are_grey_levels(values: np.ndarray, n: int) -> bool:
    """Whether the values are k / n in float32 for whole k from 0 to 255."""
    codes = np.rint(values * np.float32(n))
    return bool(((codes >= 0) & (codes <= 255) & (codes / np.float32(n) == values)).all())


def smallest_dtype(values: np.ndarray) -> type:
    """The smallest of COUNTS that holds the whole numbers exactly; float32 where none does."""
    largest = max((float(block.max(initial=0)) for block in array_blocks(values)), default=0.0)
    return next((kind for kind in COUNT_DTYPES if largest <= np.iinfo(kind).max), np.float32)


def array_blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """The array in parts along its first axis."""
    return (values[part] for part in row_slices(len(values), values[:1].size))


def row_slices(n: int, width: int) -> Iterator[slice]:
    """Slices of n rows of so many values."""
    size = BLOCK // max(width, 1) + 1
    return (slice(start, start + size) for start in range(0, n, size))
