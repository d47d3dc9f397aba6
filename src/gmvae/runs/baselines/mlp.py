"""A network like the models' encoders, trained on the labelled rows only: what labels alone can achieve."""

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
    """Train the classifier on the labelled rows.

    Args:
        z: Points [N, L].
        train: Ignored: the rows with a label are the training rows.
        n_components: Number of classes K.
        seed: Seed of the weights and of the batches.
        observed: Class number where the label may be seen, -1 elsewhere [N].
        n_hidden: Width of the hidden layers.
        n_layers: Number of hidden layers.
        epochs: Number of passes over the labelled rows.
        weight_decay: Weight of the squared norm of the weights.

    Returns:
        Predicted probabilities q [N, K], 0 for a class without a labelled row. No objective, so that no seed is picked
        by labels.
    """
    labelled = observed >= 0
    network = MLPClassifier((n_hidden,) * n_layers, alpha=weight_decay, max_iter=epochs, random_state=seed)
    network.fit(z[labelled], observed[labelled])
    q = np.zeros((len(z), n_components))
    q[:, network.classes_] = network.predict_proba(z)
    return q, None
