"""What labels alone can do, with flat borders: a logistic regression on the labelled rows only."""

import numpy as np
from sklearn.linear_model import LogisticRegression


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, observed: np.ndarray, *, cost: float = 1.0
) -> tuple[np.ndarray, None]:
    """The predicted probabilities q [N, K]; no objective: what a classifier maximises would be picked by labels.

    observed [N] is a class number where the label was seen, -1 elsewhere; a class never seen has probability 0. `cost`
    weighs the log-loss, summed over rows, against half the squared norm of the weights. One optimum: all seeds agree.
    """
    seen = observed >= 0
    fitted = LogisticRegression(C=cost, max_iter=1000).fit(z[seen], observed[seen])
    q = np.zeros((len(z), n_components))
    q[:, fitted.classes_] = fitted.predict_proba(z)
    return q, None
