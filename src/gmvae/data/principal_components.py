"""Exact principal components of the training rows (thesis, equations 2.2-2.5): x ~ mean + (x - mean) V V^T."""

import numpy as np


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
