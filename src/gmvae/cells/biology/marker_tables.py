"""The marker genes of clusters beside each other: how many cells have them and how many of them two clusters share."""

from itertools import combinations

import anndata
import numpy as np
import pandas as pd

from gmvae.cells.biology.known_markers import best_markers
from gmvae.data.principal_components import dense_blocks

SHOWN = 3  # marker genes of a cluster in the dot plot
SHARED = 20  # best marker genes of a cluster that are compared with those of another


def dot_values(adata: anndata.AnnData, cluster: pd.Series, markers: pd.DataFrame) -> pd.DataFrame:
    """The best marker genes of all clusters, in all clusters.

    Args:
        adata: Cells [N, D] with log-normalised counts in X.
        cluster: Cluster of each cell [N], a categorical.
        markers: Rows of markers.csv.

    Returns:
        cluster, gene, `marker_of`, the cluster that the gene was chosen for, `share`, that of the cells of the cluster
        with a count, and `mean`, their mean log-normalised expression.
    """
    chosen = {}
    for name in cluster.cat.categories:
        for gene in [gene for gene in best_markers(markers, name) if gene not in chosen][:SHOWN]:
            chosen[gene] = name
    places = adata.var_names.get_indexer(list(chosen))
    rows = []
    for name in cluster.cat.categories:
        cells = np.flatnonzero(cluster == name)
        blocks = [block[:, places] for block in dense_blocks(adata.X, cells)] if chosen else []
        values = np.concatenate(blocks) if blocks else np.zeros((len(cells), 0))
        shares, means = (values > 0).mean(axis=0), values.mean(axis=0)
        rows += [(name, gene, chosen[gene], *pair) for gene, *pair in zip(chosen, shares, means, strict=True)]
    return pd.DataFrame(rows, columns=["cluster", "gene", "marker_of", "share", "mean"])


def shared_markers(markers: pd.DataFrame, clusters: list[str]) -> pd.DataFrame:
    """How many of their best marker genes two clusters share.

    Args:
        markers: Rows of markers.csv.
        clusters: Names of the clusters.

    Returns:
        first, second, `shared` genes of the 20 best of each, `of`, the number of the shorter list, and their share,
        for each pair of clusters that have markers; the largest share first.
    """
    best = {name: best_markers(markers, name, SHARED) for name in clusters}
    pairs = [
        (a, b, len(set(best[a]) & set(best[b])), min(len(best[a]), len(best[b]))) for a, b in combinations(best, 2)
    ]
    table = pd.DataFrame(pairs, columns=["first", "second", "shared", "of"])
    table = table[table["of"] > 0].assign(share=lambda rows: rows["shared"] / rows["of"])
    return table.sort_values("share", ascending=False, kind="stable")
