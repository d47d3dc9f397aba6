"""The communities that the training phase `guide` starts from with `guide: leiden`, as a row of its own in tables."""

import numpy as np

from gmvae.runs.baselines.neighbour_graph import fill_shares, row_modularity
from gmvae.training.communities import jaccard_graph, leiden_communities


def assign(
    z: np.ndarray, train: np.ndarray, n_components: int, seed: int, neighbours: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the training rows the communities of the guide; every other row gets the vote of its neighbours.

    Args:
        z: Ignored: the graph has its own space.
        train: Mask of the n training rows [N].
        n_components: Number of communities K.
        seed: Seed of the run whose guide this is.
        neighbours: Positions of each row's neighbours among the training rows [N, k].

    Returns:
        The communities, as shares q [N, K] of the votes, and the modularity for each training row [N], NaN elsewhere.
    """
    communities = leiden_communities(neighbours[train], n_components, seed)
    shares = fill_shares(train, communities, neighbours[~train], n_components)
    return shares, row_modularity(jaccard_graph(neighbours[train]), communities, train)
