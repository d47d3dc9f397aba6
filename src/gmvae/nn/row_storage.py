"""The forms in which a matrix [N, D] is kept in memory; its rows become dense floating-point numbers batch by batch.

A plain tensor, `MappedRows` or `CsrRows`: each has a length, a shape and a device, and `take_rows` gives its rows. CSR
matrices are tensors here, not SciPy's, so that batches are made on the device that holds them.
"""

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 1 << 22  # values processed at once


class MappedRows:
    """Some rows of a dense matrix that is memory-mapped from a file; `rows` [N] are their positions in it."""

    def __init__(self, values: Tensor, rows: Tensor):
        self.values, self.rows = values, rows
        self.shape, self.device = (len(rows), values.shape[1]), values.device

    def __len__(self) -> int:
        return len(self.rows)


class CsrLayout(NamedTuple):
    """Where the nonzero entries of N rows are stored: those of one row are consecutive."""

    start: Tensor  # N   position of the row's first entry among all stored entries
    length: Tensor  # N   number of the row's entries
    feature: Tensor  # one for each stored entry, int32
    n_features: int


class Entries(NamedTuple):
    """The n nonzero entries of rows [S, B]."""

    shape: tuple[int, int, int]  # S, B, D
    row: Tensor  # n   among the S B rows
    feature: Tensor  # n
    position: Tensor  # n   among all stored entries


class CsrRows:
    """A sparse matrix: a layout, which several matrices may share, and one value for each stored entry."""

    def __init__(self, layout: CsrLayout, values: Tensor):
        self.layout, self.values = layout, values
        self.shape, self.device = (len(layout.start), layout.n_features), values.device

    def __len__(self) -> int:
        return self.shape[0]

    def values_at(self, entries: Entries) -> Tensor:
        """The values of the entries in the default precision, [n]."""
        return self.values.index_select(0, entries.position).to(torch.get_default_dtype())


Matrix = Tensor | MappedRows | CsrRows


def find_entries(layout: CsrLayout, index: Tensor) -> Entries:
    """The nonzero entries of rows `index` [S, B], in the order of the rows."""
    rows = index.flatten()
    length = layout.length.index_select(0, rows)
    ends = length.cumsum(0)
    n = int(ends[-1]) if len(ends) else 0
    row = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), length, output_size=n)
    first = layout.start.index_select(0, rows) - ends + length
    position = first.index_select(0, row).add_(torch.arange(n, device=rows.device))
    feature = layout.feature.index_select(0, position).long()
    return Entries((*index.shape, layout.n_features), row, feature, position)


def to_dense(entries: Entries, values: Tensor) -> Tensor:
    """The dense rows [S, B, D] that have the values [n] at the entries and 0 elsewhere."""
    n_seeds, n, n_features = entries.shape
    dense = values.new_zeros(n_seeds * n * n_features)
    return dense.scatter_(0, entries.row * n_features + entries.feature, values).view(entries.shape)


def to_coo(entries: Entries, values: Tensor) -> Tensor:
    """The same rows as a sparse (COO) tensor [S, B, D]."""
    n_seeds, n, _ = entries.shape
    rows = torch.arange(n_seeds * n, device=values.device)  # looking up is faster than dividing every entry's row
    seed, row = ((rows // n).index_select(0, entries.row), (rows % n).index_select(0, entries.row))
    indices = torch.stack([seed, row, entries.feature])
    return torch.sparse_coo_tensor(indices, values, entries.shape, is_coalesced=True, check_invariants=False)


def keep_dense(matrix: Matrix, device: torch.device) -> Tensor:
    """The whole matrix [N, D] on a device, dense, in the type of its values."""
    if not isinstance(matrix, CsrRows):
        return take_rows(matrix, torch.arange(len(matrix), device=matrix.device).unsqueeze(0))[0].to(device)
    dense = torch.zeros(matrix.shape, dtype=matrix.values.dtype, device=device)
    for rows in torch.arange(len(matrix), device=matrix.device).split(BLOCK // matrix.shape[1] + 1):
        entries = find_entries(matrix.layout, rows.unsqueeze(0))
        values = to_dense(entries, matrix.values.index_select(0, entries.position))[0]
        dense[rows.to(device)] = values.to(device)
    return dense


def take_rows(matrix: Matrix, index: Tensor) -> Tensor:
    """Rows of a matrix, dense, in the default precision.

    Args:
        matrix: N rows of D features, in any of the forms.
        index: Positions of the rows, on the matrix's device, [S, B].

    Returns:
        The rows, [S, B, D].
    """
    if isinstance(matrix, CsrRows):
        entries = find_entries(matrix.layout, index)
        return to_dense(entries, matrix.values_at(entries))
    if isinstance(matrix, MappedRows):
        rows = matrix.values.index_select(0, matrix.rows.index_select(0, index.flatten()))
    else:
        rows = matrix.index_select(0, index.flatten())
    return rows.to(torch.get_default_dtype()).unflatten(0, index.shape)


def column_means(matrix: Matrix) -> Tensor:
    """The mean of all rows, summed in double precision: the same bits in every form.

    Args:
        matrix: N rows of D features, in any of the forms.

    Returns:
        The means, [D].
    """
    total = torch.zeros(matrix.shape[1], dtype=torch.float64, device=matrix.device)
    for rows in torch.arange(len(matrix), device=matrix.device).split(BLOCK // matrix.shape[1] + 1):
        total += take_rows(matrix, rows.unsqueeze(0)).double().sum((0, 1))
    return (total / len(matrix)).to(torch.get_default_dtype())
