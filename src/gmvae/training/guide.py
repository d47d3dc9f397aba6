"""The labels of the training phase `guide`."""

import numpy as np
import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Rows
from gmvae.nn.inference import cluster_rows, embed_rows
from gmvae.nn.mixtures import fit_kmeans


def guide_labels(model: LatentModel, rows: Rows, seeds: list[int]) -> Tensor:
    """The labels of all rows during the phase `guide`.

    Without observed labels they are k-means clusters. With some, the others are predicted: the likeliest component at
    the posterior mean, as learned from the observed labels in the phase `autoencode`.

    Args:
        model: A model with components.
        rows: The N training rows.
        seeds: S values.

    Returns:
        Component codes, [S, N].
    """
    if (rows.label < 0).all():
        return kmeans_labels(model, rows, seeds)
    return torch.where(rows.label < 0, cluster_rows(model, rows, None).argmax(-1), rows.label)


def kmeans_labels(model: LatentModel, rows: Rows, seeds: list[int]) -> Tensor:
    """The k-means cluster of every row in each seed's own latent, [S, N]."""
    clusters = [kmeans.labels_ for kmeans in fit_kmeans(embed_rows(model, rows), rows.n_components, seeds)]
    return torch.as_tensor(np.stack(clusters), dtype=torch.long, device=rows.device)
