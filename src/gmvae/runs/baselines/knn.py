"""The nearest labelled rows: what labels alone can achieve without a fit."""

import numpy as np
from sklearn.neighbors import NearestNeighbors


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, observed: np.ndarray, *, n_neighbours: int = 15
) -> tuple[np.ndarray, None]:
    """Let the nearest labelled rows of each row vote. Nothing is random: all seeds agree.

    Args:
        z: Points [N, L].
        train: Ignored: the rows with a label are the training rows.
        n_components: Number of classes K.
        seed: Ignored.
        observed: Class number where the label may be seen, -1 elsewhere [N].
        n_neighbours: Number of labelled rows that vote; a labelled row is one of its own neighbours.

    Returns:
        Shares q [N, K] of the classes among the votes; no objective.
    """
    labelled = observed >= 0
    voters = NearestNeighbors(n_neighbors=min(n_neighbours, int(labelled.sum()))).fit(z[labelled])
    nearest = voters.kneighbors(z, return_distance=False)  # N, k
    return np.eye(n_components)[observed[labelled][nearest]].mean(axis=1), None
