"""A matrix of counts by blocks of rows, in memory or in a file: a million cells need little memory at a time."""

from collections.abc import Iterator

import h5py
import numpy as np
from anndata.abc import CSRDataset
from scipy import sparse

Counts = np.ndarray | sparse.csr_matrix | h5py.Dataset | CSRDataset  # N, D; or a dense array of zarr
ROWS = 4096  # rows of a block: 50 MB at 30,000 genes, 5 % of them expressed


def iterate_blocks(
    counts: Counts, cells: np.ndarray | None = None, n_rows: int = ROWS
) -> Iterator[tuple[np.ndarray, sparse.csr_matrix]]:
    """Iterate over blocks of rows in order.

    Args:
        counts: Counts [N, D].
        cells: Which rows are wanted [N]; all by default. A block without any of them is not read.
        n_rows: Largest number of rows in a block.

    Yields:
        The numbers of the wanted rows of a block [n], and these rows as canonical CSR [n, D].
    """
    for start in range(0, counts.shape[0], n_rows):
        rows = np.arange(start, min(start + n_rows, counts.shape[0]))
        wanted = np.ones(len(rows), dtype=bool) if cells is None else cells[rows]
        if wanted.any():
            block = sparse.csr_matrix(counts[start : start + n_rows])
            yield rows[wanted], canonical_counts(block if wanted.all() else block[np.flatnonzero(wanted)])


def canonical_counts(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Bring counts to the form that all later steps rely on.

    Args:
        matrix: Counts [n, D], which may have several entries for one place, in any order, and stored zeros.

    Returns:
        The same counts, one entry for each place that is not zero, the columns of a row in ascending order. The matrix
        itself, which stays unchanged, where it is so already.
    """
    if not matrix.has_canonical_format:
        # Sums of small whole numbers such as uint8 would overflow. The matrix may be a view of the counts: copy it.
        matrix = matrix.astype(matrix.dtype if matrix.dtype.kind == "f" else np.float64, copy=True)
        matrix.sum_duplicates()
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return matrix


def select_counts(counts: Counts, cells: np.ndarray, genes: np.ndarray) -> sparse.csr_matrix:
    """Select cells and genes.

    Args:
        counts: Counts [N, D].
        cells: Which rows to select [N], a mask.
        genes: Which columns to select [D], a mask.

    Returns:
        The selected counts, canonical CSR in float32.
    """
    columns = np.flatnonzero(genes)
    parts = [block[:, columns].astype(np.float32) for _, block in iterate_blocks(counts, cells)]
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))
