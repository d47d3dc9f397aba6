"""The forms in which a matrix [N, D] is kept: small in memory, made into rows of floating-point numbers batch by batch.

A plain tensor, `Levels` or `Csr`: each has a shape, a device and a mean, and `taken` gives its rows.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

COUNTS = (np.uint8, np.int16, np.int32)  # kinds of number that counts are kept in, the first that holds them exactly
BLOCK = 1 << 22  # values looked at at once: no mask or copy as large as the data is made


class Levels:
    """Grey levels k / n_levels as bytes k [N, D]."""

    def __init__(self, codes: Tensor, n_levels: int):
        self.codes, self.n_levels = codes, n_levels
        self.shape, self.device = codes.shape, codes.device

    def __len__(self) -> int:
        return len(self.codes)

    def levels(self, codes: Tensor) -> Tensor:
        """Divided in float32, as the data set's own values were, then in the default precision."""
        return codes.to(torch.float32).div_(self.n_levels).to(torch.get_default_dtype())

    def mean(self, axis: int) -> Tensor:
        """The mean over an axis."""
        return self.levels(self.codes).mean(axis)


class Places(NamedTuple):
    """Where the nonzero entries of N rows stand: those of a row one after the other, from `start` on."""

    start: Tensor  # N
    length: Tensor  # N
    feature: Tensor  # as many as are stored, int32
    n_features: int


class Entries(NamedTuple):
    """The n nonzero entries of rows [S, B]."""

    shape: tuple[int, int, int]  # S, B, D
    row: Tensor  # n   among the S B rows
    feature: Tensor  # n
    place: Tensor  # n   among the stored values


class Csr:
    """A sparse matrix: a value for each of the places."""

    def __init__(self, places: Places, values: Tensor):
        self.places, self.values = places, values
        self.shape, self.device = (len(places.start), places.n_features), values.device

    def __len__(self) -> int:
        return self.shape[0]

    def at(self, entries: Entries) -> Tensor:
        """The values of the entries in the default precision, [n]."""
        return self.values.index_select(0, entries.place).to(torch.get_default_dtype())

    def mean(self, axis: int) -> Tensor:
        """The mean over the rows, axis 0; the sums in double precision."""
        found = torch.zeros(self.shape[1], dtype=torch.float64, device=self.device)
        for rows in torch.arange(len(self), device=self.device).split(BLOCK // self.shape[1] + 1):
            entries = entries_of(self.places, rows.unsqueeze(0))
            found.index_add_(0, entries.feature, self.at(entries).double())
        return (found / len(self)).to(torch.get_default_dtype())


Matrix = Tensor | Levels | Csr


def entries_of(places: Places, index: Tensor) -> Entries:
    """The nonzero entries of rows `index` [S, B], in the order of the rows."""
    rows = index.flatten()
    length = places.length.index_select(0, rows)
    ends = length.cumsum(0)
    n = int(ends[-1]) if len(ends) else 0
    row = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), length, output_size=n)
    first = places.start.index_select(0, rows) - ends + length
    place = first.index_select(0, row).add_(torch.arange(n, device=rows.device))
    feature = places.feature.index_select(0, place).long()
    return Entries((*index.shape, places.n_features), row, feature, place)


def dense(entries: Entries, values: Tensor) -> Tensor:
    """The rows of these values [n] at the entries, 0 elsewhere, [S, B, D]."""
    n_seeds, n, n_features = entries.shape
    found = values.new_zeros(n_seeds * n * n_features)
    return found.scatter_(0, entries.row * n_features + entries.feature, values).view(entries.shape)


def coo(entries: Entries, values: Tensor) -> Tensor:
    """The rows as a sparse tensor [S, B, D]."""
    n_seeds, n, _ = entries.shape
    rows = torch.arange(n_seeds * n, device=values.device)  # a look-up is faster than to divide every entry's row
    seed, row = ((rows // n).index_select(0, entries.row), (rows % n).index_select(0, entries.row))
    at = torch.stack([seed, row, entries.feature])
    return torch.sparse_coo_tensor(at, values, entries.shape, is_coalesced=True, check_invariants=False)


def taken(matrix: Matrix, index: Tensor) -> Tensor:
    """Rows `index` [S, B] in the default precision, dense, [S, B, D]."""
    if isinstance(matrix, Csr):
        entries = entries_of(matrix.places, index)
        return dense(entries, matrix.at(entries))
    rows = (matrix.codes if isinstance(matrix, Levels) else matrix).index_select(0, index.flatten())
    rows = matrix.levels(rows) if isinstance(matrix, Levels) else rows.to(torch.get_default_dtype())
    return rows.unflatten(0, index.shape)


def counted(
    x: np.ndarray | sparse.csr_matrix, counts: np.ndarray | sparse.csr_matrix, rows: np.ndarray, device: torch.device
) -> tuple[Matrix, Csr]:
    """Some rows of what models see and of the counts; they share their places where they are 0 at the same ones."""
    counts = canonical(sparse.csr_matrix(counts))
    places = places_of(counts, rows, device)
    kind = smallest_kind(counts.data)
    target = Csr(places, torch.as_tensor(counts.data.astype(kind, copy=False), device=device))
    if not sparse.issparse(x) and (np.count_nonzero(x) != counts.nnz or x.shape != counts.shape):
        return kept(x, rows, device), target
    x = canonical(sparse.csr_matrix(x))
    if not alike(x.indptr, counts.indptr) or not alike(x.indices, counts.indices):
        return kept(x, rows, device), target
    return Csr(places, torch.as_tensor(x.data, device=device)), target


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
        return Csr(places_of(matrix, rows, device), torch.as_tensor(matrix.data, device=device))
    n_levels = levels_of(matrix)
    if not n_levels:
        return torch.as_tensor(matrix[rows], device=device)
    codes = np.empty((len(rows), matrix.shape[1]), dtype=np.uint8)
    for part in parts(len(rows), matrix.shape[1]):
        codes[part] = np.rint(matrix[rows[part]] * np.float32(n_levels))
    return Levels(torch.as_tensor(codes, device=device), n_levels)


def places_of(matrix: sparse.csr_matrix, rows: np.ndarray, device: torch.device) -> Places:
    """Where those rows' entries stand in the matrix's own arrays, which are not copied."""
    start = matrix.indptr[:-1].astype(np.int64)[rows]
    length = np.diff(matrix.indptr).astype(np.int64)[rows]
    feature = torch.as_tensor(matrix.indices.astype(np.int32, copy=False), device=device)
    return Places(
        torch.as_tensor(start, device=device), torch.as_tensor(length, device=device), feature, matrix.shape[1]
    )


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


def blocks(values: np.ndarray):
    """The array in parts along its first axis."""
    return (values[part] for part in parts(len(values), values[:1].size))


def parts(n: int, width: int):
    """Slices of n rows of so many values."""
    size = BLOCK // max(width, 1) + 1
    return (slice(start, start + size) for start in range(0, n, size))
