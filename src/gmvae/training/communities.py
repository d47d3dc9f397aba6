"""Communities of the graph of nearest neighbours: its weights, the search for K, Leiden, and the vote for other rows.

The graph is PhenoGraph's (Levine et al. 2015): rows i and j are connected if one is among the k nearest neighbours of
the other, with the Jaccard index |N(i) & N(j)| / |N(i) | N(j)| of their neighbour sets as weight.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gmvae.nn.random_streams import derive_key
from gmvae.pipeline.errors import Refused

if TYPE_CHECKING:  # only an annotation needs igraph
    import igraph

RESOLUTIONS = (1e-3, 1e2)  # both ends of the search
STEPS = 20  # how often their ratio is halved on a logarithmic scale
STARTS = 3  # searches by Leiden of one seed, of which the one with the highest modularity is kept
ITERATIONS = 2  # of Leiden


def jaccard_graph(neighbours: np.ndarray) -> "igraph.Graph":
    """Build the weighted graph of nearest neighbours.

    Args:
        neighbours: Positions of the k nearest neighbours of each of n rows, none its own, [n, k].

    Returns:
        A graph of n vertices; its edges have an attribute `weight` above 0. Pairs without a common neighbour have no
        edge.
    """
    import igraph  # training needs only torch and numpy; this start needs more
    from scipy import sparse

    n, k = neighbours.shape
    values = np.ones(n * k, dtype=np.float32)
    nearest = sparse.csr_matrix((values, neighbours.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    pairs = sparse.triu(nearest + nearest.T, k=1).tocoo()
    order = np.lexsort((pairs.col, pairs.row))
    first, second = pairs.row[order], pairs.col[order]
    common = np.asarray(nearest[first].multiply(nearest[second]).sum(axis=1), dtype=np.float64).ravel()
    weights = common / (2 * k - common)
    positive = weights > 0
    graph = igraph.Graph(n=n, edges=np.stack([first[positive], second[positive]], axis=1))
    graph.es["weight"] = weights[positive]
    return graph


def partition_into(
    partition: Callable[[float], np.ndarray], n_components: int, guess: float | None = None
) -> tuple[np.ndarray, float]:
    """Search the resolution that gives a number of communities, by bisection on a logarithmic scale.

    Args:
        partition: Function from a resolution to the number of each point's community [n], from 0.
        n_components: Number of communities wanted.
        guess: A resolution to try first.

    Returns:
        The partition [n] with that many communities, and its resolution. If no resolution gives exactly as many, the
        one with the most communities below; if even the coarsest partition has more, that one.
    """
    if guess is not None:
        communities = partition(guess)
        if communities.max() + 1 == n_components:
            return communities, guess
    low, high = RESOLUTIONS
    best, resolution = partition(low), low
    for _ in range(STEPS):
        if best.max() + 1 >= n_components:
            break
        middle = float(np.sqrt(low * high))
        candidate = partition(middle)
        if candidate.max() + 1 > n_components:
            high = middle
            continue
        low = middle
        if candidate.max() > best.max():
            best, resolution = candidate, middle
    return best, resolution


def leiden_communities(neighbours: np.ndarray, n_components: int, seed: int) -> np.ndarray:
    """Communities of high modularity: the best of three searches by Leiden, each with two iterations.

    Rows in a part of the graph that is smaller than k + 1 rows, which are far from all others, take the community of
    most of their neighbours.

    Args:
        neighbours: Positions of the k nearest neighbours of each of n rows, none its own, [n, k].
        n_components: Number of communities K. Where no resolution gives as many there are fewer, never more.
        seed: Seed of the run; nothing else is random.

    Returns:
        The number of each row's community [n].

    Raises:
        Refused: The graph falls into more than K parts.

    Source: Traag et al. 2019.
    """
    graph = jaccard_graph(neighbours)
    rows = rows_of_large_parts(graph, neighbours.shape[1], n_components)
    connected = graph.induced_subgraph(rows) if len(rows) < len(neighbours) else graph
    best, highest, guess = None, (-1, -np.inf), None
    for start in range(STARTS):
        key = derive_key(seed, f"leiden {start}")
        membership, guess = partition_into(leiden_search(connected, key), n_components, guess)
        quality = (int(membership.max()), connected.modularity(membership.tolist(), weights="weight"))
        if quality > highest:
            best, highest = membership, quality
    if best.max() + 1 < n_components:
        print(f"no resolution gives {n_components} Leiden communities: there are {best.max() + 1}")
    communities = np.full(len(neighbours), -1)
    communities[rows] = best
    lone = np.flatnonzero(communities < 0)
    votes = (communities[neighbours[lone]][..., None] == np.arange(n_components)).sum(1)  # rows, K
    communities[lone] = votes.argmax(1)
    return communities


def leiden_search(graph: "igraph.Graph", key: int) -> Callable[[float], np.ndarray]:
    """The function from a resolution to Leiden's communities [n], with its own random numbers for each call."""
    import igraph  # training needs only torch and numpy; this start needs more

    def partition(resolution: float) -> np.ndarray:
        igraph.set_random_number_generator(random.Random(key))
        options = {"weights": "weight", "resolution": resolution, "n_iterations": ITERATIONS}
        return np.array(graph.community_leiden("modularity", **options).membership)

    return partition


def rows_of_large_parts(graph: "igraph.Graph", k: int, n_components: int) -> np.ndarray:
    """The vertices in connected parts of more than k vertices.

    Args:
        graph: The graph of k nearest neighbours.
        k: Number of neighbours.
        n_components: Number of communities K.

    Returns:
        Positions, ascending; all vertices if no part is as large.

    Raises:
        Refused: There are more than K such parts.
    """
    part = np.array(graph.connected_components().membership)
    sizes = np.bincount(part)
    large = sizes > k if (sizes > k).any() else sizes > 0
    if large.sum() > n_components:
        raise Refused(
            f"n_components: found {n_components}; allowed with guide leiden: at least {large.sum()}, the unconnected "
            "parts of the graph of neighbours; set more components, graph: balanced, or guide: kmeans"
        )
    return np.flatnonzero(large[part])


def check_parts(neighbours: np.ndarray, n_components: int) -> None:
    """Raise Refused where the graph of these neighbours [n, k] falls into more than K parts."""
    rows_of_large_parts(jaccard_graph(neighbours), neighbours.shape[1], n_components)


def vote_of_neighbours(neighbours: np.ndarray, communities: np.ndarray, n_components: int) -> np.ndarray:
    """Carry the communities of the training rows over to other rows.

    Args:
        neighbours: Positions of the k nearest training rows of each row, [m, k].
        communities: Number of each training row's community [n].
        n_components: Number of columns K.

    Returns:
        Shares q [m, K] of the k votes.
    """
    return (communities[neighbours][..., None] == np.arange(n_components)).mean(1)
