"""Clustering by communities of a graph of nearest neighbours: the graph, the search for K, the vote for other rows.

The graph is PhenoGraph's (Levine et al. 2015): rows i and j are connected if one is among the k nearest neighbours of
the other, with the Jaccard index |N(i) & N(j)| / |N(i) | N(j)| of their neighbour sets as weight.
"""

from collections.abc import Callable

import igraph
import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

RESOLUTIONS = (1e-3, 1e2)  # both ends of the search
STEPS = 20  # how often their ratio is halved on a logarithmic scale


def neighbour_graph(z: np.ndarray, k: int) -> igraph.Graph:
    """Build the weighted graph of nearest neighbours.

    Args:
        z: Points [n, L].
        k: Number of neighbours of each point, itself not counted.

    Returns:
        A graph of n vertices; its edges have an attribute `weight` above 0. Pairs without a common neighbour have no
        edge.
    """
    k = min(k, len(z) - 1)
    nearest = NearestNeighbors(n_neighbors=k).fit(z).kneighbors_graph(mode="connectivity")  # n, n; no row its own
    pairs = sparse.triu(nearest + nearest.T, k=1).tocoo()
    order = np.lexsort((pairs.col, pairs.row))
    first, second = pairs.row[order], pairs.col[order]
    common = np.asarray(nearest[first].multiply(nearest[second]).sum(axis=1)).ravel()
    weights = common / (2 * k - common)
    positive = weights > 0
    graph = igraph.Graph(n=len(z), edges=np.stack([first[positive], second[positive]], axis=1))
    graph.es["weight"] = weights[positive]
    return graph


def partition_into(partition: Callable[[float], np.ndarray], n_components: int) -> np.ndarray:
    """Search the resolution that gives a number of communities, by bisection on a logarithmic scale.

    Args:
        partition: Function from a resolution to the number of each point's community [n], from 0.
        n_components: Number of communities wanted.

    Returns:
        The partition [n] with that many communities. If no resolution gives exactly as many, the one with the most
        communities below; if even the coarsest partition has more, that one.
    """
    low, high = RESOLUTIONS
    best = partition(low)
    for _ in range(STEPS):
        if best.max() + 1 >= n_components:
            break
        middle = np.sqrt(low * high)
        candidate = partition(middle)
        if candidate.max() + 1 > n_components:
            high = middle
        else:
            low = middle
            best = max(best, candidate, key=np.max)
    return best


def vote_of_neighbours(
    z: np.ndarray, train: np.ndarray, communities: np.ndarray, n_components: int, k: int
) -> np.ndarray:
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
    q = np.eye(max(n_components, communities.max() + 1))
    voters = NearestNeighbors(n_neighbors=min(k, train.sum())).fit(z[train])
    shares = np.empty((len(z), len(q)))
    shares[train] = q[communities]
    if not train.all():
        nearest = voters.kneighbors(z[~train], return_distance=False)  # rows, k
        shares[~train] = q[communities[nearest]].mean(axis=1)
    return shares


def row_modularity(graph: igraph.Graph, communities: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Give each training row the modularity of the whole partition, at resolution 1: it is not a sum over rows.

    Args:
        graph: Graph of the n training rows.
        communities: Number of each training row's community [n].
        train: Mask of the training rows [N].

    Returns:
        The modularity at training rows, NaN elsewhere [N].
    """
    return np.where(train, graph.modularity(communities.tolist(), weights="weight"), np.nan)
