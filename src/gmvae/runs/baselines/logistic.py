"""Logistic regression on the labelled rows only: what labels alone can achieve with flat class borders."""

import numpy as np
from sklearn.linear_model import LogisticRegression


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, observed: np.ndarray, *, cost: float = 1.0
) -> tuple[np.ndarray, None]:
    """Fit the regression to the labelled rows. There is one optimum: all seeds agree.

    Args:
        z: Points [N, L].
        train: Ignored: the rows with a label are the training rows.
        n_components: Number of classes K.
        seed: Ignored.
        observed: Class number where the label may be seen, -1 elsewhere [N].
        cost: Weight of the log-loss, summed over rows, against half the squared norm of the weights.

    Returns:
        Predicted probabilities q [N, K], 0 for a class without a labelled row. No objective, so that no seed is picked
        by labels.
    """
    labelled = observed >= 0
    model = LogisticRegression(C=cost, max_iter=1000).fit(z[labelled], observed[labelled])
    q = np.zeros((len(z), n_components))
    q[:, model.classes_] = model.predict_proba(z)
    return q, None
