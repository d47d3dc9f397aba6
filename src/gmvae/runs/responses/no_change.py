"""No response at all: a model that predicts better than this has learned something."""

import numpy as np


def change(x: np.ndarray, label: np.ndarray, treated: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Predict no change.

    Args:
        x: Training cells [N, D].
        label: Ignored.
        treated: Ignored.
        control: Ignored.

    Returns:
        Zeros [D].
    """
    return np.zeros(x.shape[1])
