"""Principal components of the training rows, exact (thesis, equations 2.2-2.5): x ~ mean + (x - mean) V V^T."""

import numpy as np


def principal_axes(train: np.ndarray, n_dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean [D] and the first right singular vectors V [D, n_dimensions] of the centred training rows [n, D].

    In float64. Each axis points to where its largest entry by size is positive: an SVD leaves the sign open.
    """
    train = np.asarray(train, dtype=np.float64)
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:n_dimensions].T  # D, n_dimensions
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return mean, axes * np.sign(largest)
