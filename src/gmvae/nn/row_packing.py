"""From the matrices of a dataset to the compact forms of row_storage.py, which give the same values to the last bit."""

import mmap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from gmvae.nn.row_storage import BLOCK, CsrLayout, CsrRows, MappedRows, Matrix

if TYPE_CHECKING:  # only annotations need SciPy
    from scipy.sparse import csr_matrix

COUNT_DTYPES = (np.uint8, np.int16, np.int32)  # counts are stored in the first of these that holds them all


def pack_counts(
    x: "np.ndarray | csr_matrix", counts: "np.ndarray | csr_matrix", rows: np.ndarray, device: torch.device
) -> tuple[Matrix, CsrRows]:
    """Some rows of x and of the counts; the two share one layout if they are nonzero at the same entries.

    Args:
        x: What the models see, float32, [N, D].
        counts: The counts of the same cells, [N, D].
        rows: Positions of the rows to take.
        device: Where the packed rows are kept.

    Returns:
        The rows of x and the rows of the counts.
    """
    counts = canonical_csr(counts)
    layout = csr_layout(counts, rows, device)
    dtype = counts.dtype if is_mapped(counts.data) else smallest_dtype(counts.data)
    target = pack_csr(counts.data.astype(dtype, copy=False), layout)
    if isinstance(x, np.ndarray) and (np.count_nonzero(x) != counts.nnz or x.shape != counts.shape):
        return pack_rows(x, rows, device), target
    x = canonical_csr(x)
    if not arrays_equal(x.indptr, counts.indptr) or not arrays_equal(x.indices, counts.indices):
        return pack_rows(x, rows, device), target
    return pack_csr(x.data, layout), target


def pack_rows(matrix: "np.ndarray | csr_matrix", rows: np.ndarray, device: torch.device) -> Matrix:
    """Some rows of a float32 matrix: CSR stays CSR, and a memory-mapped matrix stays in its file.

    Args:
        matrix: The whole matrix, [N, D].
        rows: Positions of the rows to take.
        device: Where the packed rows are kept, if the matrix is not memory-mapped.

    Returns:
        The rows in one of the forms of row_storage.py.
    """
    if not isinstance(matrix, np.ndarray):
        matrix = canonical_csr(matrix)
        return pack_csr(matrix.data, csr_layout(matrix, rows, device))
    if is_mapped(matrix):
        return MappedRows(torch.as_tensor(matrix), torch.as_tensor(rows))
    return torch.as_tensor(matrix[rows], device=device)


def pack_csr(values: np.ndarray, layout: CsrLayout) -> CsrRows:
    """The values with their layout, on the layout's device."""
    return CsrRows(layout, torch.as_tensor(values, device=layout.start.device))


def canonical_csr(matrix: "np.ndarray | csr_matrix") -> "csr_matrix":
    """The matrix as CSR with sorted columns, no duplicates and no stored zeros; a copy if any of these must change."""
    from scipy.sparse import csr_matrix  # here, because nn is to be imported with torch and NumPy alone

    matrix = csr_matrix(matrix)
    if matrix.has_canonical_format and not any((block == 0).any() for block in array_blocks(matrix.data)):
        return matrix
    matrix = matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def csr_layout(matrix: "csr_matrix", rows: np.ndarray, device: torch.device) -> CsrLayout:
    """Where the rows' entries are in the matrix's own arrays, which are not copied; mapped arrays stay on the CPU."""
    device = torch.device("cpu") if is_mapped(matrix.data) or is_mapped(matrix.indices) else device
    start = torch.as_tensor(matrix.indptr[:-1].astype(np.int64)[rows], device=device)
    length = torch.as_tensor(np.diff(matrix.indptr).astype(np.int64)[rows], device=device)
    feature = torch.as_tensor(matrix.indices.astype(np.int32, copy=False), device=device)
    return CsrLayout(start, length, feature, matrix.shape[1])


def is_mapped(array: np.ndarray | None) -> bool:
    """Whether the array's values are memory-mapped from a file."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array is not None


def smallest_dtype(counts: np.ndarray) -> type:
    """The smallest of COUNT_DTYPES that holds the counts exactly; float32 if none does."""
    largest = max((float(block.max(initial=0)) for block in array_blocks(counts)), default=0.0)
    return next((dtype for dtype in COUNT_DTYPES if largest <= np.iinfo(dtype).max), np.float32)


def arrays_equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays [n] are equal; compared block by block, without a mask as large as they are."""
    if a is b or a.shape != b.shape:
        return a is b
    return all(np.array_equal(*blocks) for blocks in zip(array_blocks(a), array_blocks(b), strict=True))


def array_blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """The array [n] in consecutive blocks."""
    return (values[start : start + BLOCK] for start in range(0, len(values), BLOCK))
