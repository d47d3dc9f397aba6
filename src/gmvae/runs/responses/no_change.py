"""The response of which nothing is known: none. What predicts better than this has learned something."""

import numpy as np


def change(x: np.ndarray, label: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Zeros [D] for training cells x [N, D], their types and whether they are treated [N]."""
    return np.zeros(x.shape[1])
