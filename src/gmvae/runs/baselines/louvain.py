"""Louvain communities (Blondel et al. 2008) of the graph of nearest neighbours: greedy ascent of the modularity."""

import random

import igraph
import numpy as np

from gmvae.runs.baselines.neighbour_graph import neighbour_graph, partition_into, row_modularity, vote_of_neighbours


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
    """q [N, K] of the communities, and the modularity.

    Communities are those of the rows of z [N, L] where the mask train [N] is true; other rows take the vote of their
    nearest training rows. Without a `resolution`, the one that gives n_components communities is searched.
    """
    graph = neighbour_graph(z[train], n_neighbours)

    def partition(at: float) -> np.ndarray:
        igraph.set_random_number_generator(random.Random(seed))  # the order in which Louvain visits the rows
        return np.array(graph.community_multilevel(weights="weight", resolution=at).membership)

    communities = partition_into(partition, n_components) if resolution is None else partition(resolution)
    return vote_of_neighbours(z, train, communities, n_components, n_neighbours), row_modularity(
        graph, communities, train
    )
