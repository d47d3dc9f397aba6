"""The number of Louvain communities of the training rows: it stands beside a sweep's measures and decides nothing."""

import random

import anndata
import igraph
import numpy as np

from gmvae.runs.baselines.neighbour_graph import neighbour_graph
from gmvae.runs.neighbours import N_NEIGHBOURS, principal_components


def count_communities(adata: anndata.AnnData, train: np.ndarray, seed: int = 0) -> int:
    """Count the communities of highest modularity (resolution 1) of the graph of 15 nearest neighbours.

    Args:
        adata: The dataset [N rows].
        train: Positions of the training rows [n].
        seed: Seed of the order in which Louvain visits the rows.

    Returns:
        Their number.

    Source: Blondel et al. 2008; the graph is that of the baselines.
    """
    members = np.zeros(adata.n_obs, dtype=bool)
    members[train] = True
    graph = neighbour_graph(principal_components(adata, members)[train], N_NEIGHBOURS)
    igraph.set_random_number_generator(random.Random(seed))
    return len(graph.community_multilevel(weights="weight"))
