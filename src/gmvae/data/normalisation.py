"""From counts to what models see: the logarithm of library-size-normalised counts."""

import anndata
import numpy as np
from scipy import sparse

from gmvae.data.row_blocks import select_counts
from gmvae.pipeline.errors import Refused

ROWS = 1 << 16  # rows of a block, where a whole matrix in double precision would be too large
SIZE_FACTOR = 1e4  # the total that each cell is scaled to before the logarithm, as is usual in the field


def log_normalise(
    counts: np.ndarray | sparse.csr_matrix, total: np.ndarray, size_factor: float = SIZE_FACTOR
) -> np.ndarray | sparse.csr_matrix:
    """Compute log1p(counts * size_factor / total).

    Sparse counts are processed by blocks of rows, and the result shares their index arrays: a million cells fit into
    a small memory.

    Args:
        counts: Counts [N, D], dense or CSR.
        total: Total count of each cell [N], positive.
        size_factor: The total that each cell is scaled to.

    Returns:
        Normalised counts [N, D] in float32, CSR where the counts are.
    """
    factors = (size_factor / np.asarray(total, dtype=np.float64))[:, None]
    if sparse.issparse(counts):
        values = np.empty(counts.nnz, dtype=np.float32)
        for start in range(0, counts.shape[0], ROWS):
            bounds = counts.indptr[start : start + ROWS + 1]
            part = slice(bounds[0], bounds[-1])
            values[part] = np.log1p(counts.data[part] * np.repeat(factors[start : start + ROWS, 0], np.diff(bounds)))
        return sparse.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)
    return np.log1p(counts * factors).astype(np.float32)


def normalise_counts(adata: anndata.AnnData) -> None:
    """Set X to the logarithm of library-size-normalised counts, in place.

    Args:
        adata: Cells with raw counts [N, D] in layers["counts"], which become float32 CSR. obs["total"] is computed
            unless the reader has set it.

    Raises:
        Refused: A cell has no counts.
    """
    everything = np.ones(adata.n_obs, dtype=bool), np.ones(adata.n_vars, dtype=bool)
    counts = select_counts(adata.layers["counts"], *everything)
    if "total" not in adata.obs:
        adata.obs["total"] = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    n_empty = int((adata.obs["total"] <= 0).sum())
    if n_empty:
        raise Refused(f"{n_empty} of {adata.n_obs} cells have no counts; drop them, or give the entry a `cells` part")
    adata.layers["counts"] = counts
    adata.X = log_normalise(counts, adata.obs["total"].to_numpy())
