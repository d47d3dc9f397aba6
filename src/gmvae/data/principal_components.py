"""Principal components of the training rows (thesis, equations 2.2-2.5): x ~ mean + (x - mean) V V^T."""

from collections.abc import Iterator

import anndata
import numpy as np
from scipy import linalg, sparse

COMPONENTS = 50  # stored with each dataset
ROWS = 4096  # rows of a block in double precision: 65 MB at 2,000 features
WIDEST = 5000  # features up to which the covariance is taken whole: 200 MB
PASSES = 12  # over the rows of wider data
RANK = 1e-12  # a variance below this share of the largest is rounding error


def principal_axes(train: np.ndarray, n_dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit the principal axes of the training rows in float64.

    The sign of an axis, which a singular value decomposition leaves open, is scikit-learn's: the entry with the
    largest absolute value is positive.

    Args:
        train: Training rows [n, D].
        n_dimensions: Number of axes L, at most min(n, D).

    Returns:
        mean: Mean of the rows [D].
        axes: First L right singular vectors of the centred rows [D, L].

    Source: thesis, eq:pca.
    """
    from sklearn.decomposition import PCA  # a slow import, which steps with other spaces do without

    pca = PCA(n_dimensions, svd_solver="full").fit(np.asarray(train, dtype=np.float64))
    return pca.mean_, np.asfortranarray(pca.components_.T)  # the last bits of products depend on the order in memory


def store_components(adata: anndata.AnnData) -> None:
    """Set obsm["X_pca"], the first principal components of all rows on the axes of the training rows.

    Their number is 50, or min(n - 1, D) of n training rows if that is less. Components beyond the rank of the rows
    are 0. Only a block of rows is dense at a time.

    Args:
        adata: A dataset [N, D] with obs["split"]; `X` is dense or CSR. It gets float32 [N, L].
    """
    train = np.flatnonzero(adata.obs["split"] == "train")
    n_axes = max(1, min(COMPONENTS, len(train) - 1, adata.n_vars))
    mean, axes = axes_by_blocks(adata.X, train, n_axes)
    blocks = dense_blocks(adata.X, np.arange(adata.n_obs))
    adata.obsm["X_pca"] = np.concatenate([((block - mean) @ axes).astype(np.float32) for block in blocks])


def axes_by_blocks(
    matrix: np.ndarray | sparse.csr_matrix, rows: np.ndarray, n_axes: int, widest: int = WIDEST
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean and the principal axes of rows that need not fit into memory as a dense matrix.

    Args:
        matrix: All rows [N, D].
        rows: Positions of the rows that count [n].
        n_axes: Number of axes L, at most min(n, D).
        widest: Largest D whose covariance is decomposed; of wider data the axes come from a subspace iteration.

    Returns:
        mean: Mean of the rows [D].
        axes: Principal axes as columns [D, L], their signs as in `principal_axes`, 0 for those beyond the rank.

    Source: Halko et al. 2011 for the subspace iteration.
    """
    n_features = matrix.shape[1]
    mean = sum(block.sum(axis=0) for block in dense_blocks(matrix, rows)) / len(rows)
    if n_features <= widest:
        covariance = np.zeros((n_features, n_features))
        for block in dense_blocks(matrix, rows):
            block -= mean
            covariance += block.T @ block
        values, axes = linalg.eigh(covariance, subset_by_index=(n_features - n_axes, n_features - 1))
    else:
        values, axes = iterate_subspace(matrix, rows, mean, n_axes)
    values, axes = values[::-1], axes[:, ::-1]
    axes = axes * np.where(values > RANK * max(values[0], 0), 1, 0)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    return mean, axes * np.where(largest < 0, -1, 1)


def iterate_subspace(
    matrix: np.ndarray | sparse.csr_matrix, rows: np.ndarray, mean: np.ndarray, n_axes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues [L], ascending, and eigenvectors [D, L] of the covariance, times n, of the rows [n]."""
    n_features = matrix.shape[1]
    start = np.random.default_rng(0).normal(size=(n_features, min(2 * n_axes, len(rows), n_features)))
    basis = np.linalg.qr(start)[0]
    for _ in range(PASSES):
        image = np.zeros_like(basis)
        for block in dense_blocks(matrix, rows):
            block -= mean
            image += block.T @ (block @ basis)
        within = basis.T @ image
        values, rotation = np.linalg.eigh((within + within.T) / 2)
        axes = basis @ rotation[:, -n_axes:]
        basis = np.linalg.qr(image)[0]
    return values[-n_axes:], axes


def dense_blocks(matrix: np.ndarray | sparse.csr_matrix, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Copies of the rows in blocks [n, D], in float64 and in order."""
    for start in range(0, len(rows), ROWS):
        block = matrix[rows[start : start + ROWS]]
        yield np.array(block.toarray() if sparse.issparse(block) else block, dtype=np.float64)
