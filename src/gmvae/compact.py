"""From the matrices of a data set to the smallest form that gives their values back to the last bit."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse

from gmvae.matrices import BLOCK, Csr, Filed, Levels, Matrix, Places
from gmvae.unpacked import is_mapped

COUNTS = (np.uint8, np.int16, np.int32)  # kinds of number that counts are kept in: the first that holds them


def counted(
    x: np.ndarray | sparse.csr_matrix, counts: np.ndarray | sparse.csr_matrix, rows: np.ndarray, device: torch.device
) -> tuple[Matrix, Csr]:
    """Some rows of what models see and of the counts; they share their places where they are 0 at the same ones."""
    counts = canonical(sparse.csr_matrix(counts))
    places = places_of(counts, rows, device)
    kind = counts.dtype if is_mapped(counts.data) else smallest_kind(counts.data)
    target = csr(counts.data.astype(kind, copy=False), places)
    if not sparse.issparse(x) and (np.count_nonzero(x) != counts.nnz or x.shape != counts.shape):
        return kept(x, rows, device), target
    x = canonical(sparse.csr_matrix(x))
    if not alike(x.indptr, counts.indptr) or not alike(x.indices, counts.indices):
        return kept(x, rows, device), target
    return csr(x.data, places), target


def csr(values: np.ndarray, places: Places) -> Csr:
    """The values at the places, on their device."""
    return Csr(places, torch.as_tensor(values, device=places.start.device))


def canonical(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix, in a copy if need be, such that each row's places are sorted, and each is there once and not 0."""
    if matrix.has_canonical_format and not any((block == 0).any() for block in blocks(matrix.data)):
        return matrix
    matrix = matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the two arrays are equal."""
    if one is other or one.shape != other.shape:
        return one is other
    return all(np.array_equal(one[part], other[part]) for part in parts(len(one), 1))


def kept(matrix: np.ndarray | sparse.csr_matrix, rows: np.ndarray, device: torch.device) -> Matrix:
    """Some rows of a matrix of float32 in the smallest form that gives its values back to the last bit."""
    if sparse.issparse(matrix):
        matrix = canonical(matrix.tocsr())
        return csr(matrix.data, places_of(matrix, rows, device))
    if is_mapped(matrix):
        return Filed(torch.as_tensor(matrix), torch.as_tensor(rows))
    n_levels = levels_of(matrix)
    if not n_levels:
        return torch.as_tensor(matrix[rows], device=device)
    codes = np.empty((len(rows), matrix.shape[1]), dtype=np.uint8)
    for part in parts(len(rows), matrix.shape[1]):
        codes[part] = np.rint(matrix[rows[part]] * np.float32(n_levels))
    return Levels(torch.as_tensor(codes, device=device), n_levels)


def places_of(matrix: sparse.csr_matrix, rows: np.ndarray, device: torch.device) -> Places:
    """Where those rows' entries stand in the matrix's own arrays, which are not copied; where these are mapped from
    a file, the places stay on the CPU."""
    device = torch.device("cpu") if is_mapped(matrix.data) or is_mapped(matrix.indices) else device
    start = torch.as_tensor(matrix.indptr[:-1].astype(np.int64)[rows], device=device)
    length = torch.as_tensor(np.diff(matrix.indptr).astype(np.int64)[rows], device=device)
    feature = torch.as_tensor(matrix.indices.astype(np.int32, copy=False), device=device)
    return Places(start, length, feature, matrix.shape[1])


def levels_of(matrix: np.ndarray) -> int:
    """n, of the smallest positive value, if all values are k / n for whole k from 0 to 255, exactly; else 0."""
    smallest = min((float(block[block > 0].min(initial=np.inf)) for block in blocks(matrix)), default=np.inf)
    n = round(1 / smallest) if 1 / 256 < smallest < np.inf else 0
    return n if n and all(in_levels(block, n) for block in blocks(matrix)) else 0


def in_levels(values: np.ndarray, n: int) -> bool:
    """Whether the values are k / n in float32 for whole k from 0 to 255."""
    codes = np.rint(values * np.float32(n))
    return bool(((codes >= 0) & (codes <= 255) & (codes / np.float32(n) == values)).all())


def smallest_kind(values: np.ndarray) -> type:
    """The smallest of COUNTS that holds the whole numbers exactly; float32 where none does."""
    largest = max((float(block.max(initial=0)) for block in blocks(values)), default=0.0)
    return next((kind for kind in COUNTS if largest <= np.iinfo(kind).max), np.float32)


def blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """The array in parts along its first axis."""
    return (values[part] for part in parts(len(values), values[:1].size))


def parts(n: int, width: int) -> Iterator[slice]:
    """Slices of n rows of so many values."""
    size = BLOCK // max(width, 1) + 1
    return (slice(start, start + size) for start in range(0, n, size))
