"""The response of the other types: the mean of their changes, each the treated cells' mean less the untreated ones'.

A type counts by n m / (n + m), of n treated and m untreated cells: the inverse of the variance of its change, where
cells vary alike. A type of two cells has its say, and no more. Types seen on one side only have no change.

Source: thesis, eq:mean-shift.
"""

import numpy as np

from gmvae.pipeline.errors import Refused


def change(x: np.ndarray, label: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """The mean change [D] over the types, of training cells x [N, D], their types and whether they are treated [N]."""
    total, changes = 0.0, np.zeros(x.shape[1])
    for kind in np.unique(label):
        here = label == kind
        n, m = int((here & treated).sum()), int((here & ~treated).sum())
        if n and m:
            weight = n * m / (n + m)
            changes += weight * (x[here & treated].mean(0) - x[here & ~treated].mean(0))
            total += weight
    if not total:
        raise Refused("mean_shift: no type of the training cells is seen under both conditions; use no_change")
    return changes / total
