"""The forms in which a matrix [N, D] is kept: small in memory, made into rows of floating-point numbers batch by batch.

A plain tensor, `Levels`, `Filed` or `Csr`: each has a shape and a device, and `taken` gives its rows.
"""

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 1 << 22  # values looked at at once


class GreyLevels:
    """Grey levels k / n_levels as bytes k [N, D]."""

    def __init__(self, codes: Tensor, n_levels: int):
        self.codes, self.n_levels = codes, n_levels
        self.shape, self.device = codes.shape, codes.device

    def __len__(self) -> int:
        return len(self.codes)

    def levels(self, codes: Tensor) -> Tensor:
        """Divided in float32, as the data set's own values were, then in the default precision."""
        return codes.to(torch.float32).div_(self.n_levels).to(torch.get_default_dtype())


class MappedRows:
    """Some rows of a dense matrix in a file: `rows` [N] are their positions in it."""

    def __init__(self, values: Tensor, rows: Tensor):
        self.values, self.rows = values, rows
        self.shape, self.device = (len(rows), values.shape[1]), values.device

    def __len__(self) -> int:
        return len(self.rows)


class CsrLayout(NamedTuple):
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


class CsrRows:
    """A sparse matrix: a value for each of the places."""

    def __init__(self, places: CsrLayout, values: Tensor):
        self.places, self.values = places, values
        self.shape, self.device = (len(places.start), places.n_features), values.device

    def __len__(self) -> int:
        return self.shape[0]

    def at(self, entries: Entries) -> Tensor:
        """The values of the entries in the default precision, [n]."""
        return self.values.index_select(0, entries.place).to(torch.get_default_dtype())


Matrix = Tensor | GreyLevels | MappedRows | CsrRows


def find_entries(places: CsrLayout, index: Tensor) -> Entries:
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


def to_dense(entries: Entries, values: Tensor) -> Tensor:
    """The rows of these values [n] at the entries, 0 elsewhere, [S, B, D]."""
    n_seeds, n, n_features = entries.shape
    found = values.new_zeros(n_seeds * n * n_features)
    return found.scatter_(0, entries.row * n_features + entries.feature, values).view(entries.shape)


def to_coo(entries: Entries, values: Tensor) -> Tensor:
    """The rows as a sparse tensor [S, B, D]."""
    n_seeds, n, _ = entries.shape
    rows = torch.arange(n_seeds * n, device=values.device)  # a look-up is faster than to divide every entry's row
    seed, row = ((rows // n).index_select(0, entries.row), (rows % n).index_select(0, entries.row))
    at = torch.stack([seed, row, entries.feature])
    return torch.sparse_coo_tensor(at, values, entries.shape, is_coalesced=True, check_invariants=False)


def take_rows(matrix: Matrix, index: Tensor) -> Tensor:
    """Rows `index` [S, B] in the default precision, dense, [S, B, D]."""
    if isinstance(matrix, CsrRows):
        entries = find_entries(matrix.places, index)
        return to_dense(entries, matrix.at(entries))
    if isinstance(matrix, GreyLevels):
        rows = matrix.levels(matrix.codes.index_select(0, index.flatten()))
    elif isinstance(matrix, MappedRows):
        rows = matrix.values.index_select(0, matrix.rows.index_select(0, index.flatten()))
    else:
        rows = matrix.index_select(0, index.flatten())
    return rows.to(torch.get_default_dtype()).unflatten(0, index.shape)


def column_means(matrix: Matrix) -> Tensor:
    """The mean of all rows, [D], summed in double precision: the same bits in every form."""
    found = torch.zeros(matrix.shape[1], dtype=torch.float64, device=matrix.device)
    for rows in torch.arange(len(matrix), device=matrix.device).split(BLOCK // matrix.shape[1] + 1):
        found += take_rows(matrix, rows.unsqueeze(0)).double().sum((0, 1))
    return (found / len(matrix)).to(torch.get_default_dtype())
