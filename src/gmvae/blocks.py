"""A matrix of counts by blocks of rows, whether it lies in memory or in a file: what keeps a million cells small."""

from collections.abc import Iterator

import h5py
import numpy as np
from anndata.abc import CSRDataset
from scipy import sparse

Counts = np.ndarray | sparse.csr_matrix | h5py.Dataset | CSRDataset  # [N, D]
ROWS = 4096  # of a block: 50 MB at 30,000 genes, 5 % of them expressed


def blocks(counts: Counts, n_rows: int = ROWS) -> Iterator[tuple[slice, sparse.csr_matrix]]:
    """The rows of counts [N, D] in order: a slice of at most n_rows, and those rows as CSR without stored zeros."""
    for start in range(0, counts.shape[0], n_rows):
        rows = slice(start, min(start + n_rows, counts.shape[0]))
        block = sparse.csr_matrix(counts[rows])
        block.eliminate_zeros()
        yield rows, block


def selected(counts: Counts, cells: np.ndarray, genes: np.ndarray) -> sparse.csr_matrix:
    """The counts of the cells where the mask [N] is true and of the genes where the mask [D] is, float32 CSR."""
    columns = np.flatnonzero(genes)
    parts = [block[np.flatnonzero(cells[rows])][:, columns].astype(np.float32) for rows, block in blocks(counts)]
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))
