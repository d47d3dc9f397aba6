"""Louvain communities (Blondel et al. 2008) of the graph of nearest neighbours: greedy ascent of the modularity."""

import random

import igraph
import numpy as np

from gmvae.runs.baselines.neighbour_graph import neighbour_graph, row_modularity, shares_of_votes
from gmvae.training.communities import partition_into


def assign(
    z: np.ndarray,
    train: np.ndarray,
    n_components: int,
    seed: int,
    truth: np.ndarray | None,
    *,
    n_neighbours: int = 15,
    resolution: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find communities of the training rows; every other row gets the vote of its nearest training rows.

    Args:
        z: Points [N, L].
        train: Mask of the training rows [N].
        n_components: Number of communities K, where no resolution is given.
        seed: Seed of the search for communities.
        truth: Ignored.
        n_neighbours: Number of neighbours in the graph and in the vote.
        resolution: Resolution of the modularity; without it, the one that gives K communities is searched.

    Returns:
        The communities, as shares q [N, K] of the votes, and the modularity for each training row [N], NaN elsewhere.
    """
    graph = neighbour_graph(z[train], n_neighbours)

    def partition(at: float) -> np.ndarray:
        igraph.set_random_number_generator(random.Random(seed))  # the order in which Louvain visits the rows
        return np.array(graph.community_multilevel(weights="weight", resolution=at).membership)

    communities = partition_into(partition, n_components)[0] if resolution is None else partition(resolution)
    shares = shares_of_votes(z, train, communities, n_components, n_neighbours)
    return shares, row_modularity(graph, communities, train)
