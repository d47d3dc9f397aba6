"""What every row is taken for in the phase `guide`."""

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from gmvae.nn.batches import Rows
from gmvae.nn.inference import cluster_rows, embed_rows
from gmvae.nn.random_streams import derive_key


def guide_labels(model: nn.Module, rows: Rows, seeds: list[int]) -> Tensor:
    """What every row is taken for while guided, [S, N]: its k-means cluster, or where some labels are seen, those, and
    for the others the likeliest component at the posterior mean, as learned from them while autoencoding."""
    if (rows.label < 0).all():
        return kmeans_labels(model, rows, seeds)
    return torch.where(rows.label < 0, cluster_rows(model, rows, None).argmax(-1), rows.label)


def kmeans_labels(model: nn.Module, rows: Rows, seeds: list[int]) -> Tensor:
    """The k-means cluster of every row in each seed's own latent, [S, N]."""
    z = embed_rows(model, rows).double().cpu().numpy()
    found = [
        KMeans(rows.n_components, n_init=10, random_state=derive_key(seed, "kmeans") % 2**32).fit_predict(z[s])
        for s, seed in enumerate(seeds)
    ]
    return torch.as_tensor(np.stack(found), dtype=torch.long, device=rows.device)
