"""The labels of the training phase `guide`: each row's component to start from, from the setting `guide`.

`kmeans` and `mixture` cluster the model's own latent; where some labels are observed, the model's own predictions take
their place, since they serve better: it has learned from these labels already. `leiden` finds communities of the graph
of neighbours, which no model has a part in; where labels are observed, they name the communities.
"""

import numpy as np
import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Rows
from gmvae.nn.inference import cluster_rows, embed_rows
from gmvae.nn.mixtures import check_n_clusters, fit_kmeans
from gmvae.nn.random_streams import derive_key
from gmvae.training.communities import leiden_communities


def guide_labels(model: LatentModel, rows: Rows, seeds: list[int], guide: str = "kmeans") -> Tensor:
    """The labels of all rows during the phase `guide`; an observed label stays.

    Args:
        model: A model with components.
        rows: The N training rows; with their neighbours for `leiden`.
        seeds: S values.
        guide: kmeans, mixture or leiden.

    Returns:
        Component codes, [S, N].
    """
    if guide == "leiden":
        return leiden_labels(rows, seeds)
    if (rows.label >= 0).any():
        return torch.where(rows.label < 0, cluster_rows(model, rows, None).argmax(-1), rows.label)
    return mixture_labels(model, rows, seeds) if guide == "mixture" else kmeans_labels(model, rows, seeds)


def kmeans_labels(model: LatentModel, rows: Rows, seeds: list[int]) -> Tensor:
    """The k-means cluster of every row in each seed's own latent, [S, N]."""
    clusters = [kmeans.labels_ for kmeans in fit_kmeans(embed_rows(model, rows), rows.n_components, seeds)]
    return torch.as_tensor(np.stack(clusters), dtype=torch.long, device=rows.device)


def mixture_labels(model: LatentModel, rows: Rows, seeds: list[int]) -> Tensor:
    """The likeliest component of every row in a mixture of full Gaussians of each seed's own latent, [S, N]."""
    from sklearn.mixture import GaussianMixture  # training needs only torch and numpy; this start needs more

    points, k = embed_rows(model, rows).double().cpu().numpy(), rows.n_components
    check_n_clusters(k, points.shape[1])
    states = [derive_key(seed, "mixture guide") % 2**32 for seed in seeds]
    options = {"covariance_type": "full", "reg_covar": 1e-4, "n_init": 5, "max_iter": 300}
    clusters = [
        GaussianMixture(k, **options, random_state=s).fit_predict(z) for s, z in zip(states, points, strict=True)
    ]
    return torch.as_tensor(np.stack(clusters), dtype=torch.long, device=rows.device)


def leiden_labels(rows: Rows, seeds: list[int]) -> Tensor:
    """The community of every row, named by the observed labels if there are any, [S, N]."""
    neighbours, observed = rows.neighbours.cpu().numpy(), rows.label.cpu().numpy()
    if (observed >= 0).all():
        return rows.label
    clusters = [
        name_clusters(leiden_communities(neighbours, rows.n_components, seed), label, rows.n_components)
        for seed, label in zip(seeds, observed, strict=True)
    ]
    return torch.as_tensor(np.stack(clusters), dtype=torch.long, device=rows.device)


def name_clusters(clusters: np.ndarray, label: np.ndarray, n_components: int) -> np.ndarray:
    """Rename clusters so that they agree with as many observed labels as possible; observed labels stay.

    Args:
        clusters: Number of each row's cluster [N].
        label: Class codes, -1 where hidden [N].
        n_components: Number of components K, at least the number of clusters and of classes.

    Returns:
        Component codes [N]. A cluster that matches no class takes a code that no other has.
    """
    from scipy.optimize import linear_sum_assignment  # training needs only torch and numpy; this start needs more

    observed = label >= 0
    if not observed.any():
        return clusters
    agreement = np.zeros((n_components, n_components))  # clusters, classes
    np.add.at(agreement, (clusters[observed], label[observed]), 1)
    name = linear_sum_assignment(agreement, maximize=True)[1]
    return np.where(observed, label, name[clusters])
