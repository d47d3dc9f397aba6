"""Leiden communities (Traag et al. 2019) of the graph of nearest neighbours: Louvain's aim, connected communities."""

import leidenalg
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
        kind = leidenalg.RBConfigurationVertexPartition
        found = leidenalg.find_partition(graph, kind, weights="weight", resolution_parameter=at, seed=seed)
        return np.array(found.membership)

    communities = partition_into(partition, n_components) if resolution is None else partition(resolution)
    return vote_of_neighbours(z, train, communities, n_components, n_neighbours), row_modularity(
        graph, communities, train
    )
