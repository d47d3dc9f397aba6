"""The control from above: component k is class k, so that every measure shows the best it can say."""

import numpy as np


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, truth: np.ndarray | None
) -> tuple[np.ndarray, None]:
    """One-hot q [N, C] of the class numbers truth [N], as many components as classes whatever K is; no objective."""
    return np.eye(truth.max() + 1)[truth], None
