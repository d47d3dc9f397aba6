"""Improved deep embedded clustering: an autoencoder whose latent moves towards cluster centres.

Story: none; z_i = m(x_i) is a point, with soft assignments to K centres by a Student kernel of one degree of freedom,
    q_ij ∝ 1 / (1 + ‖z_i - mu_j‖²),
and a target distribution P, the sharpened assignments:
    p_ij ∝ q_ij² / f_j,    f_j = sum_i q_ij over all training rows.
P is constant between refreshes, which come every `refresh_epochs` epochs. Rows outside the training split are sharpened
with the f_j of the last refresh.

Objective, to be maximised:
    log p(x|z) - chi · kl_cluster,    kl_cluster = sum_j p_ij log(p_ij / q_ij)
`kl_cluster` is logged unweighted. chi is `cluster_weight` relative to the whole squared error; the normal log-density
contains half of that error, so it takes half of chi. `auto` is 0.1 D: the paper's 0.1 goes with an error averaged over
the features, ours is summed. There is no prior, so no density of x and no bound. Observed labels are not used.

Start: an autoencoder, trained alone in the phase `autoencode`; then k-means on its latent gives the centres.

Source: Guo 2017. Ours refreshes P by epochs, not by steps, and trains for a fixed number of them.
"""

import numpy as np
import torch
from torch import Tensor, nn

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, Rows
from gmvae.nn.divergences import kl_categorical
from gmvae.nn.inference import cluster_rows, embed_rows
from gmvae.nn.layers import MLP
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.mixtures import fit_kmeans
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.errors import Refused


class Model(LatentModel):
    """Improved deep embedded clustering.

    Args:
        n_latent: Dimensions of z.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        cluster_weight: Weight chi of the divergence, a number or auto.
        refresh_epochs: Epochs from one refresh of P to the next.
        layer_norm: Whether to normalise each row before each ReLU.
    """

    has_components = True
    starts_from_clusters = True

    def __init__(
        self,
        n_features: int,
        likelihood: str,
        seeds: list[int],
        n_components: int = 1,
        n_conditions: int = 0,
        n_inputs: int | None = None,
        *,
        n_latent: int = 10,
        n_hidden: int = 128,
        n_layers: int = 2,
        cluster_weight: float | str = "auto",
        refresh_epochs: int = 1,
        layer_norm: bool = False,
    ):
        super().__init__()
        if refresh_epochs < 1:
            raise Refused(f"idec.refresh_epochs: found {refresh_epochs}; allowed: 1 or more")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        n_inputs = n_inputs or n_features
        chi = 0.1 * n_features if cluster_weight == "auto" else float(cluster_weight)
        self.kl_weight = chi / 2 if likelihood == "normal" else chi
        self.n_components, self.refresh_epochs = n_components, refresh_epochs
        self.p = Likelihood(likelihood, len(seeds), n_features)
        self.encoder = MLP(draws, n_inputs, *hidden, n_latent, layer_norm=layer_norm)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)
        self.centres = nn.Parameter(draw_normals(draws, n_components, n_latent))  # S, K, L
        self.register_buffer("frequency", torch.ones(len(seeds), n_components))  # f_j, up to a factor
        self.targets: Tensor | None = None  # S, N, K: P of the training rows
        self.age = 0  # epochs since `initialise`

    def initialise(self, rows: Rows, seeds: list[int]) -> None:
        """Start the centres at the k-means centres of each seed's own latent of all training rows."""
        centres = [kmeans.cluster_centers_ for kmeans in fit_kmeans(embed_rows(self, rows), self.n_components, seeds)]
        self.centres.data.copy_(torch.as_tensor(np.stack(centres)))
        self.age = 0

    def refresh(self, rows: Rows) -> None:
        """Every `refresh_epochs` calls: compute P of all training rows from their current latent."""
        if self.age % self.refresh_epochs == 0:
            q = cluster_rows(self, rows, None)  # S, N, K
            self.frequency.copy_(q.sum(1))
            targets = self.sharpen(q)
            self.targets = targets if self.targets is None else self.targets.copy_(targets)  # a captured step reads it
        self.age += 1

    def training_state(self) -> dict[str, Tensor]:
        """P of the training rows, once it has been computed, and the epochs since `initialise`."""
        targets = {} if self.targets is None else {"targets": self.targets}
        return targets | {"age": torch.tensor(self.age)}

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Restore P and the count of epochs."""
        self.targets = state["targets"].to(self.centres.device) if "targets" in state else None
        self.age = int(state["age"])

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        z = self.encoder(batch.x)  # S, B, L
        log_q = self.q_y(z)  # S, B, K
        return {
            "reconstruction": self.p.log_prob(batch.target, self.decoder(z).unsqueeze(1), batch.weight).mean(1),
            "kl_cluster": kl_categorical(self.target(batch, log_q.detach().exp()), log_q),
        }

    def q_y(self, z: Tensor) -> Tensor:
        """log q_ij, [S, B, L] -> [S, B, K]."""
        squares = (z.unsqueeze(-2) - self.centres.unsqueeze(1)).square().sum(-1)
        return (-squares.log1p()).log_softmax(-1)

    def target(self, batch: Batch, q: Tensor) -> Tensor:
        """p_ij, [S, B, K]: in training from the last refresh, else sharpened from q, [S, B, K]."""
        if not self.training or self.targets is None:
            return self.sharpen(q)
        return self.targets.gather(1, batch.index.unsqueeze(-1).expand(-1, -1, self.n_components))

    def sharpen(self, q: Tensor) -> Tensor:
        """p_ij ∝ q_ij² / f_j, [S, N, K]."""
        p = q.square() / self.frequency.unsqueeze(1)
        return p / p.sum(-1, keepdim=True)

    def embed(self, batch: Batch) -> Tensor:
        """z = m(x), [S, B, L]."""
        return self.encoder(batch.x)

    def cluster(self, batch: Batch) -> Tensor:
        """q_ij, [S, B, K]."""
        return self.q_y(self.encoder(batch.x)).exp()

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)
