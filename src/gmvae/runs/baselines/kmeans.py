"""k-means (Lloyd 1982, started by k-means++): the centres m_k that minimise sum_i min_k |z_i - m_k|^2."""

import numpy as np
from sklearn.cluster import KMeans


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, truth: np.ndarray | None, *, n_init: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """One-hot q [N, K] of the nearest centre, and per row [N] minus its squared distance to it.

    Centres are fitted to the rows of z [N, L] where the mask train [N] is true, the best of `n_init` starts.
    """
    model = KMeans(n_components, n_init=n_init, random_state=seed).fit(z[train])
    distances = model.transform(z) ** 2  # N, K
    return np.eye(n_components)[distances.argmin(axis=1)], -distances.min(axis=1)
