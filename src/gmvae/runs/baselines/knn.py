"""What labels alone can do, without a fit: every row has the classes of its nearest labelled rows."""

import numpy as np
from sklearn.neighbors import NearestNeighbors


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, observed: np.ndarray, *, n_neighbours: int = 15
) -> tuple[np.ndarray, None]:
    """The shares q [N, K] of the classes among the nearest labelled rows, its own among them; no objective.

    observed [N] is a class number where the label was seen, -1 elsewhere. Nothing is drawn: all seeds agree.
    """
    seen = observed >= 0
    voters = NearestNeighbors(n_neighbors=min(n_neighbours, int(seen.sum()))).fit(z[seen])
    nearest = voters.kneighbors(z, return_distance=False)  # N, k
    return np.eye(n_components)[observed[seen][nearest]].mean(axis=1), None
