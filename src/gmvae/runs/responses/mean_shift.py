"""The mean response of the other types: the mean of their changes, each treated cells minus untreated cells.

A type with n treated and m untreated cells has the weight n m / (n + m), the inverse variance of its change where all
cells vary alike: a type of two cells counts little. Types seen on one side only have no change.

Source: thesis, eq:mean-shift.
"""

import numpy as np

from gmvae.pipeline.errors import Refused


def change(x: np.ndarray, label: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Average the changes of the types, weighted by their precision.

    Args:
        x: Training cells [N, D].
        label: Type of each cell [N].
        treated: Whether each cell is treated [N].

    Returns:
        The mean change [D].

    Raises:
        Refused: No type has cells on both sides.
    """
    total, changes = 0.0, np.zeros(x.shape[1])
    for name in np.unique(label):
        of_type = label == name
        n, m = int((of_type & treated).sum()), int((of_type & ~treated).sum())
        if n and m:
            weight = n * m / (n + m)
            changes += weight * (x[of_type & treated].mean(0) - x[of_type & ~treated].mean(0))
            total += weight
    if not total:
        raise Refused("mean_shift: no type of the training cells is seen under both conditions; use no_change")
    return changes / total
