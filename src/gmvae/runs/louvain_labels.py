"""Louvain clusters of the training rows, told to models in the place of labels: a teacher that saw no label itself."""

import anndata
import numpy as np
from scipy import sparse

from gmvae.data.principal_components import principal_axes
from gmvae.formats.labels import CLUSTER
from gmvae.pipeline.errors import Refused
from gmvae.runs.baselines.louvain import assign


def louvain_labels(adata: anndata.AnnData, n_components: int | None, n_dimensions: int, seed: int) -> list[str]:
    """The name of each training row's cluster [n]: those of the baseline `louvain` in the principal components.

    Where no resolution gives n_components clusters there may be fewer, never more. Raises Refused where it cannot be.
    """
    train = (adata.obs["split"] == "train").to_numpy()
    x = adata.X[train].toarray() if sparse.issparse(adata.X) else adata.X[train]
    check_setting("n_components", n_components, len(x))
    check_setting("n_dimensions", n_dimensions, min(len(x) - 1, x.shape[1]))
    mean, axes = principal_axes(x, n_dimensions)
    shares, _ = assign((x - mean) @ axes, np.ones(len(x), dtype=bool), n_components, seed, None)
    clusters = shares.argmax(axis=1)
    found = int(clusters.max()) + 1
    if found > n_components:
        raise Refused(f"labels: louvain: the graph falls into {found} parts; allowed: n_components from {found}")
    if found < n_components:
        print(f"no resolution gives {n_components} Louvain clusters: there are {found}")
    names = [CLUSTER.format(k) for k in range(found)]
    if "label" in adata.obs and set(names) & set(adata.obs["label"].cat.categories):
        raise Refused(f"labels: louvain: the data set has classes of its own with names as '{names[0]}'; rename them")
    return [names[k] for k in clusters]


def check_setting(setting: str, value: int | None, most: int) -> None:
    """Raise Refused where the value is missing or not from 1 to the most that the training rows allow."""
    if value is None or not 1 <= value <= most:
        raise Refused(f"labels: louvain: {setting} is {value}; allowed: 1 to {most}")
