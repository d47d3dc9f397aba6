"""Improved deep embedded clustering: an autoencoder whose latent is drawn towards centres.

Story: none; z_i = m(x_i) is a point, with soft assignments to K centres by a Student kernel of one degree of freedom,
    q_ij ∝ 1 / (1 + ‖z_i - mu_j‖²),
and sharpened ones, which are the target:
    p_ij ∝ q_ij² / f_j,    f_j = sum_i q_ij over all training rows.
P is a constant between refreshes, which come every `refresh_epochs` epochs. Rows that are not trained on are sharpened
with the f_j of the last refresh.

Objective, to be maximised:
    log p(x|z) - chi · kl_cluster,    kl_cluster = sum_j p_ij log(p_ij / q_ij)
`kl_cluster` is logged unweighted. chi is `cluster_weight`, which goes with the whole squared error; the normal
log-density has half of it, and so half of chi. `auto` is 0.1 D: the paper's 0.1 goes with an error averaged over the
features, ours is summed. There is no prior, so no density of x and no bound. Seen labels are not used.

Start: an autoencoder, trained alone in the phase `autoencode`; then k-means on its latent gives the centres.

Source: Guo 2017. Ours refreshes P by epochs, not by steps, and trains for a fixed number of them.
"""

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from gmvae.nn.batches import Batch, Rows
from gmvae.nn.divergences import kl_categorical
from gmvae.nn.inference import cluster_rows, embed_rows
from gmvae.nn.layers import MLP
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import derive_key, draw_normals, make_generators
from gmvae.pipeline.errors import Refused


class Model(nn.Module):
    """Settings: `n_latent` dimensions of z, `n_hidden` units in each of `n_layers` hidden layers, `cluster_weight`
    (auto, or a number), `refresh_epochs` from one refresh of P to the next, `layer_norm`."""

    n_noise = 0  # standard normals a row
    has_components = True
    has_bound = False

    def __init__(
        self,
        n_features: int,
        likelihood: str,
        seeds: list[int],
        n_components: int = 1,
        n_conditions: int = 0,
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
        chi = 0.1 * n_features if cluster_weight == "auto" else float(cluster_weight)
        self.kl_weight = chi / 2 if likelihood == "normal" else chi
        self.n_components, self.refresh_epochs = n_components, refresh_epochs
        self.p = Likelihood(likelihood, len(seeds), n_features)
        self.encoder = MLP(draws, n_features, *hidden, n_latent, layer_norm=layer_norm)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)
        self.centres = nn.Parameter(draw_normals(draws, n_components, n_latent))  # S, K, L
        self.register_buffer("frequency", torch.ones(len(seeds), n_components))  # f_j, up to a factor
        self.targets: Tensor | None = None  # S, N, K: P of the training rows
        self.age = 0  # epochs since `initialise`

    def initialise(self, rows: Rows, seeds: list[int]) -> None:
        """Put the centres where k-means finds them in each seed's own latent of all training rows."""
        z = embed_rows(self, rows).double().cpu().numpy()
        found = [
            KMeans(self.n_components, n_init=10, random_state=derive_key(seed, "kmeans") % 2**32)
            .fit(z[s])
            .cluster_centers_
            for s, seed in enumerate(seeds)
        ]
        self.centres.data.copy_(torch.as_tensor(np.stack(found)))
        self.age = 0

    def refresh(self, rows: Rows) -> None:
        """Every `refresh_epochs` calls: P of all training rows, from where they lie now."""
        if self.age % self.refresh_epochs == 0:
            q = cluster_rows(self, rows, None)  # S, N, K
            self.frequency.copy_(q.sum(1))
            self.targets = self.sharpened(q)
        self.age += 1

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The objective's terms per row, [S, B] each."""
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
        """p_ij: in training, of the last refresh; else sharpened from q, [S, B, K]."""
        if not self.training or self.targets is None:
            return self.sharpened(q)
        return self.targets.gather(1, batch.index.unsqueeze(-1).expand(-1, -1, self.n_components))

    def sharpened(self, q: Tensor) -> Tensor:
        """p_ij ∝ q_ij² / f_j, [S, N, K]."""
        p = q.square() / self.frequency.unsqueeze(1)
        return p / p.sum(-1, keepdim=True)

    def log_weights(self, batch: Batch) -> Tensor:
        """Refused: without a prior over z there is no density of x to bound."""
        raise Refused("idec: has no prior over z, so there is no bound on log p(x); use vade or gmdvae")

    def embed(self, batch: Batch) -> Tensor:
        """z = m(x), [S, B, L]."""
        return self.encoder(batch.x)

    def cluster(self, batch: Batch) -> Tensor:
        """q_ij, [S, B, K]."""
        return self.q_y(self.encoder(batch.x)).exp()

    def decode(self, z: Tensor, condition: Tensor, library: Tensor) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """Refused: nothing says which z are likely."""
        raise Refused("idec: has no prior over z to sample from; use vade or gmdvae")

    def convert(self, batch: Batch, condition: int) -> Tensor:
        """Refused: the model knows no conditions."""
        raise Refused("idec: is not conditional, so there is no condition to convert to; use cvae or cgmdvae")
