"""The control from below: each row's component is drawn blindly, so that every measure shows what chance gives."""

import numpy as np


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, truth: np.ndarray | None
) -> tuple[np.ndarray, None]:
    """One-hot q [N, K] of components drawn uniformly; no objective."""
    return np.eye(n_components)[np.random.default_rng(seed).integers(n_components, size=len(z))], None
