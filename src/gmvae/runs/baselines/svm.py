"""What labels alone can do: a support vector machine with a Gaussian kernel, on the labelled rows only."""

import numpy as np
from sklearn.svm import SVC


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, observed: np.ndarray, *, cost: float = 1.0
) -> tuple[np.ndarray, None]:
    """One-hot q [N, K] of the predicted class; no objective.

    observed [N] is a class number where the label was seen, -1 elsewhere. The kernel's width is one over the number of
    features times the variance of the labelled rows' entries; `cost` weighs a misplaced row against a wide margin. The
    fit has one solution: all seeds agree.
    """
    seen = observed >= 0
    return np.eye(n_components)[SVC(C=cost).fit(z[seen], observed[seen]).predict(z)], None
