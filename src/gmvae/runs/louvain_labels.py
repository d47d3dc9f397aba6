"""Louvain clusters of the training rows in the place of labels: a teacher of models that saw no label itself."""

import anndata
import numpy as np
from scipy import sparse

from gmvae.data.principal_components import principal_axes
from gmvae.formats.labels import CLUSTER
from gmvae.pipeline.errors import Refused
from gmvae.runs.baselines.louvain import assign


def louvain_labels(adata: anndata.AnnData, n_components: int | None, n_dimensions: int, seed: int) -> list[str]:
    """Cluster the training rows as the baseline `louvain` does in their principal components.

    Args:
        adata: A dataset with n training rows.
        n_components: Number of clusters. Where no resolution gives as many there are fewer, never more.
        n_dimensions: Number of principal components.
        seed: Seed of the clustering.

    Returns:
        The name of each training row's cluster [n].

    Raises:
        Refused: The training rows do not allow these numbers, the graph falls into more parts than clusters, or a
            class of the dataset is named like a cluster.
    """
    train = (adata.obs["split"] == "train").to_numpy()
    x = adata.X[train].toarray() if sparse.issparse(adata.X) else adata.X[train]
    check_setting("n_components", n_components, len(x))
    check_setting("n_dimensions", n_dimensions, min(len(x) - 1, x.shape[1]))
    mean, axes = principal_axes(x, n_dimensions)
    shares, _ = assign((x - mean) @ axes, np.ones(len(x), dtype=bool), n_components, seed, None)
    clusters = shares.argmax(axis=1)
    n_clusters = int(clusters.max()) + 1
    if n_clusters > n_components:
        raise Refused(
            f"labels: louvain: the graph falls into {n_clusters} parts; allowed: n_components from {n_clusters}"
        )
    if n_clusters < n_components:
        print(f"no resolution gives {n_components} Louvain clusters: there are {n_clusters}")
    names = [CLUSTER.format(k) for k in range(n_clusters)]
    if "label" in adata.obs and set(names) & set(adata.obs["label"].cat.categories):
        raise Refused(f"labels: louvain: the dataset has classes with names like '{names[0]}'; rename them")
    return [names[k] for k in clusters]


def check_setting(setting: str, value: int | None, most: int) -> None:
    """Raise Refused where the value is missing or not from 1 to the most that the training rows allow."""
    if value is None or not 1 <= value <= most:
        raise Refused(f"labels: louvain: {setting} is {value}; allowed: 1 to {most}")
