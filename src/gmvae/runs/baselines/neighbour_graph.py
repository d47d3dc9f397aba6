"""What clusterings by communities of a graph of nearest neighbours share: the graph of points, and their results."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.neighbors import NearestNeighbors

from gmvae.training.communities import jaccard_graph, vote_of_neighbours

if TYPE_CHECKING:  # only an annotation needs igraph
    import igraph


def neighbour_graph(z: np.ndarray, k: int) -> "igraph.Graph":
    """Build the weighted graph of nearest neighbours.

    Args:
        z: Points [n, L].
        k: Number of neighbours of each point, itself not counted.

    Returns:
        A graph of n vertices; see `jaccard_graph`.
    """
    return jaccard_graph(NearestNeighbors(n_neighbors=min(k, len(z) - 1)).fit(z).kneighbors(return_distance=False))


def shares_of_votes(z: np.ndarray, train: np.ndarray, communities: np.ndarray, n_components: int, k: int) -> np.ndarray:
    """Carry the communities of the training rows over to all rows.

    Args:
        z: Points [N, L].
        train: Mask of the n training rows [N].
        communities: Number of each training row's community [n].
        n_components: Smallest number of columns.
        k: Number of training rows that vote.

    Returns:
        Shares q [N, K]: one-hot for training rows, for other rows those of their k nearest training rows.
    """
    nearest = np.zeros((0, 1), dtype=np.int64)
    if not train.all():
        voters = NearestNeighbors(n_neighbors=min(k, train.sum())).fit(z[train])
        nearest = voters.kneighbors(z[~train], return_distance=False)
    return fill_shares(train, communities, nearest, max(n_components, communities.max() + 1))


def fill_shares(train: np.ndarray, communities: np.ndarray, nearest: np.ndarray, n_columns: int) -> np.ndarray:
    """Shares q [N, K]: one-hot for the n training rows, for the other rows [N - n, k] those of their neighbours."""
    shares = np.empty((len(train), n_columns))
    shares[train] = np.eye(n_columns)[communities]
    shares[~train] = vote_of_neighbours(nearest, communities, n_columns)
    return shares


def row_modularity(graph: "igraph.Graph", communities: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Give each training row the modularity of the whole partition, at resolution 1: it is not a sum over rows.

    Args:
        graph: Graph of the n training rows.
        communities: Number of each training row's community [n].
        train: Mask of the training rows [N].

    Returns:
        The modularity at training rows, NaN elsewhere [N].
    """
    return np.where(train, graph.modularity(communities.tolist(), weights="weight"), np.nan)
