"""Clustering by communities of a graph of nearest neighbours: the graph, the search for K, the vote for new rows.

The graph is PhenoGraph's (Levine et al. 2015): rows i and j are joined where one is among the k nearest neighbours of
the other, with the Jaccard index |N(i) & N(j)| / |N(i) | N(j)| of their neighbour sets as weight.
"""

from collections.abc import Callable

import igraph
import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

RESOLUTIONS = (1e-3, 1e2)  # the search's ends
STEPS = 20  # halvings of their ratio


def neighbour_graph(z: np.ndarray, k: int) -> igraph.Graph:
    """The weighted graph of points [n, L]; joined pairs that share no neighbour are left apart."""
    k = min(k, len(z) - 1)
    nearest = NearestNeighbors(n_neighbors=k).fit(z).kneighbors_graph(mode="connectivity")  # n, n; no row its own
    joined = sparse.triu(nearest + nearest.T, k=1).tocoo()
    order = np.lexsort((joined.col, joined.row))
    first, second = joined.row[order], joined.col[order]
    shared = np.asarray(nearest[first].multiply(nearest[second]).sum(axis=1)).ravel()
    weights = shared / (2 * k - shared)
    kept = weights > 0
    graph = igraph.Graph(n=len(z), edges=np.stack([first[kept], second[kept]], axis=1))
    graph.es["weight"] = weights[kept]
    return graph


def partition_into(partition: Callable[[float], np.ndarray], n_components: int) -> np.ndarray:
    """The partition [n] with n_components communities, by bisection of the resolution on a logarithmic scale.

    `partition` gives community numbers 0.. [n] at a resolution. Where no resolution gives exactly as many, the
    partition with the most communities below is taken; where even the coarsest has more, that one.
    """
    low, high = RESOLUTIONS
    best = partition(low)
    for _ in range(STEPS):
        if best.max() + 1 >= n_components:
            break
        middle = np.sqrt(low * high)
        found = partition(middle)
        if found.max() + 1 > n_components:
            high = middle
        else:
            low = middle
            best = max(best, found, key=np.max)
    return best


def vote_of_neighbours(
    z: np.ndarray, train: np.ndarray, communities: np.ndarray, n_components: int, k: int
) -> np.ndarray:
    """q [N, K]: one-hot for the training rows, for each other row the shares of its k nearest training rows."""
    q = np.eye(max(n_components, communities.max() + 1))
    voters = NearestNeighbors(n_neighbors=min(k, train.sum())).fit(z[train])
    shares = np.empty((len(z), len(q)))
    shares[train] = q[communities]
    if not train.all():
        nearest = voters.kneighbors(z[~train], return_distance=False)  # rows, k
        shares[~train] = q[communities[nearest]].mean(axis=1)
    return shares


def row_modularity(graph: igraph.Graph, communities: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The partition's modularity (resolution 1) at every training row, NaN elsewhere [N]: it is no sum over rows."""
    return np.where(train, graph.modularity(communities.tolist(), weights="weight"), np.nan)
