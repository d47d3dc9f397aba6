"""The upper control: component k is class k, so that every measure shows its best value."""

import numpy as np


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, truth: np.ndarray | None
) -> tuple[np.ndarray, None]:
    """Make a component of each class.

    Args:
        z: Ignored.
        train: Ignored.
        n_components: Ignored: there are as many components as classes.
        seed: Ignored.
        truth: Class number of each row [N].

    Returns:
        One-hot q [N, C] of the class numbers; no objective.
    """
    return np.eye(truth.max() + 1)[truth], None
