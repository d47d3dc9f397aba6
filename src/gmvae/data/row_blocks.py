"""A matrix of counts by blocks of rows, whether it lies in memory or in a file: what keeps a million cells small."""

from collections.abc import Iterator

import h5py
import numpy as np
from anndata.abc import CSRDataset
from scipy import sparse

Counts = np.ndarray | sparse.csr_matrix | h5py.Dataset | CSRDataset  # [N, D]
ROWS = 4096  # of a block: 50 MB at 30,000 genes, 5 % of them expressed


def iterate_blocks(
    counts: Counts, cells: np.ndarray | None = None, n_rows: int = ROWS
) -> Iterator[tuple[np.ndarray, sparse.csr_matrix]]:
    """The rows of counts [N, D] in order: the numbers of at most n_rows rows, and these as CSR without stored zeros.

    cells: a mask [N] of the rows that are wanted; what holds none of them is not even read.
    """
    for start in range(0, counts.shape[0], n_rows):
        rows = np.arange(start, min(start + n_rows, counts.shape[0]))
        wanted = np.ones(len(rows), dtype=bool) if cells is None else cells[rows]
        if wanted.any():
            block = sparse.csr_matrix(counts[start : start + n_rows])
            block = block if wanted.all() else block[np.flatnonzero(wanted)]
            if not block.data.all():
                block = block.copy()  # it may be a view of the very counts
                block.eliminate_zeros()
            yield rows[wanted], block


def select_counts(counts: Counts, cells: np.ndarray, genes: np.ndarray) -> sparse.csr_matrix:
    """The counts of the cells where the mask [N] is true and of the genes where the mask [D] is, float32 CSR."""
    columns = np.flatnonzero(genes)
    parts = [block[:, columns].astype(np.float32) for _, block in iterate_blocks(counts, cells)]
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))
