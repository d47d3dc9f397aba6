"""k-means (Lloyd 1982, started by k-means++): the centres m_k that minimise sum_i min_k |z_i - m_k|^2."""

import numpy as np
from sklearn.cluster import KMeans


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, truth: np.ndarray | None, *, n_init: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Fit centres to the training rows, and assign every row to its nearest centre.

    Args:
        z: Points [N, L].
        train: Mask of the training rows [N].
        n_components: Number of centres K.
        seed: Seed of the starts.
        truth: Ignored.
        n_init: Number of starts, of which the best is taken.

    Returns:
        One-hot q [N, K] of the nearest centre, and minus the squared distance to it [N].
    """
    model = KMeans(n_components, n_init=n_init, random_state=seed).fit(z[train])
    distances = model.transform(z) ** 2  # N, K
    return np.eye(n_components)[distances.argmin(axis=1)], -distances.min(axis=1)
