"""The lower control: each row's component is drawn at random, so that every measure shows its value by chance."""

import numpy as np


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, truth: np.ndarray | None
) -> tuple[np.ndarray, None]:
    """Draw the component of each row uniformly.

    Args:
        z: Points [N, L], of which only the number counts.
        train: Ignored.
        n_components: Number of components K.
        seed: Seed of the draw.
        truth: Ignored.

    Returns:
        One-hot q [N, K]; no objective.
    """
    return np.eye(n_components)[np.random.default_rng(seed).integers(n_components, size=len(z))], None
