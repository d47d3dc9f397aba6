"""From counts to what models see: the logarithm of library-size-normalised counts."""

import anndata
import numpy as np
from scipy import sparse

from gmvae.data.row_blocks import select_counts
from gmvae.pipeline.errors import Refused

ROWS = 1 << 16  # of a block, where a whole matrix in double precision would be too large
SIZE_FACTOR = 1e4  # counts are scaled to this many a cell before the logarithm, as is the habit of the field


def log_normalise(
    counts: np.ndarray | sparse.csr_matrix, total: np.ndarray, size_factor: float = SIZE_FACTOR
) -> np.ndarray | sparse.csr_matrix:
    """log1p(counts * size_factor / total) [N, D] float32 of counts [N, D] and totals [N] > 0, as sparse as they.

    By blocks of rows, and on the very index arrays of the counts: a million cells fit a small memory.
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
    """Set X to the logarithm of library-size-normalised counts, in place. A reader's own totals stay."""
    everything = np.ones(adata.n_obs, dtype=bool), np.ones(adata.n_vars, dtype=bool)
    counts = select_counts(adata.layers["counts"], *everything)
    if "total" not in adata.obs:
        adata.obs["total"] = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    empty = int((adata.obs["total"] <= 0).sum())
    if empty:
        raise Refused(f"{empty} of {adata.n_obs} cells have no counts; drop them, or give the entry a `cells` part")
    adata.layers["counts"] = counts
    adata.X = log_normalise(counts, adata.obs["total"].to_numpy())
