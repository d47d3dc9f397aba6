"""Marker genes of clusters: in which genes the cells of a cluster have higher ranks than all other cells."""

import anndata
import numpy as np
import pandas as pd

SMALLEST = 2  # cells that a cluster, and the cells outside of it, need for a comparison
LISTED = 100  # genes of a cluster in markers.csv
LEVEL = 0.05  # adjusted p-value of a gene that counts as a marker
TABLE = ("cluster", "rank", "gene", "score", "log_fold_change", "p_adjusted", "share_in", "share_out")


def rank_markers(adata: anndata.AnnData) -> pd.DataFrame:
    """Compare the cells of each cluster with all other cells, gene by gene.

    The test is Wilcoxon's rank-sum test with its correction for ties, which counts have many of; p-values are adjusted
    within a cluster by Benjamini and Hochberg. Clusters with too few cells are left out.

    Args:
        adata: Cells [N, D] with log-normalised counts in X and obs["cluster"]. uns["rank_genes_groups"] is set as
            scanpy sets it, unless no cluster can be compared.

    Returns:
        One row for each cluster and gene, the best gene of a cluster first: the columns of TABLE. `log_fold_change` is
        to the base 2; the shares are those of the cells inside and outside of the cluster that have a count.

    Source: Wilcoxon 1945; Soneson and Robinson 2018 for its use on single cells.
    """
    sizes = adata.obs["cluster"].value_counts(sort=False)
    compared = [str(name) for name, size in sizes.items() if SMALLEST <= size <= adata.n_obs - SMALLEST]
    if not compared:
        return pd.DataFrame({name: [] for name in TABLE})
    import scanpy  # slow, and needed only where there is something to compare

    options = {"method": "wilcoxon", "tie_correct": True, "pts": True, "use_raw": False}
    scanpy.tl.rank_genes_groups(adata, "cluster", groups=compared, **options)
    ranked = adata.uns["rank_genes_groups"]
    # Older readers of .h5ad, cellxgene's too, fail on a stored None; scanpy takes a missing one for the same.
    ranked["params"] = {key: value for key, value in ranked["params"].items() if value is not None}
    return pd.concat([cluster_table(ranked, name) for name in compared], ignore_index=True)


def cluster_table(ranked: dict, cluster: str) -> pd.DataFrame:
    """The rows of one cluster, [D, 8], from what scanpy's rank_genes_groups leaves in uns."""
    genes = ranked["names"][cluster]
    columns = [
        cluster,
        np.arange(1, len(genes) + 1),
        genes,
        ranked["scores"][cluster],
        ranked["logfoldchanges"][cluster],
        ranked["pvals_adj"][cluster],
        ranked["pts"].loc[genes, cluster].to_numpy(),
        ranked["pts_rest"].loc[genes, cluster].to_numpy(),
    ]
    return pd.DataFrame(dict(zip(TABLE, columns, strict=True)))


def best_clusters(table: pd.DataFrame, genes: pd.Index) -> pd.DataFrame:
    """The cluster that each gene marks best.

    Args:
        table: What `rank_markers` returns.
        genes: Names of the genes [D].

    Returns:
        For each gene [D]: `marker_of`, the cluster with its highest score, "" where that is not above 0 or its adjusted
        p-value is not below 0.05; `marker_score` and `marker_log_fold_change` of that cluster, NaN where there is none.
    """
    marking = table[(table["score"] > 0) & (table["p_adjusted"] < LEVEL)]
    best = marking.sort_values("score", ascending=False, kind="stable").drop_duplicates("gene").set_index("gene")
    best = best.reindex(genes)
    return pd.DataFrame(
        {
            "marker_of": best["cluster"].fillna("").astype(str),
            "marker_score": best["score"].astype(np.float32),
            "marker_log_fold_change": best["log_fold_change"].astype(np.float32),
        },
        index=genes,
    )
