"""What labels alone can do: a network like the models' encoders, trained as a classifier on the labelled rows only."""

import numpy as np
from sklearn.neural_network import MLPClassifier


def assign(
    z: np.ndarray,
    train: np.ndarray,
    n_components: int,
    seed: int,
    observed: np.ndarray,
    *,
    n_hidden: int = 128,
    n_layers: int = 2,
    epochs: int = 200,
    weight_decay: float = 1e-4,
) -> tuple[np.ndarray, None]:
    """The predicted probabilities q [N, K]; no objective: what a classifier maximises would be picked by labels.

    observed [N] is a class number where the label was seen, -1 elsewhere; a class never seen has probability 0.
    """
    seen = observed >= 0
    network = MLPClassifier((n_hidden,) * n_layers, alpha=weight_decay, max_iter=epochs, random_state=seed)
    network.fit(z[seen], observed[seen])
    q = np.zeros((len(z), n_components))
    q[:, network.classes_] = network.predict_proba(z)
    return q, None
