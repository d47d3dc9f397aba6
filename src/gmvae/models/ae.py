"""Autoencoder.

Story: none; z = m(x) is a point, and p(x|z) only measures how well x comes back.

Objective, to be maximised: log p(x | z = m(x)).

Source: thesis, sec:autoencoders. With the normal likelihood of variance 1 this is half the squared error, but for a
constant.
"""

import torch
from torch import Tensor, nn

from gmvae.nn.batches import Batch
from gmvae.nn.layers import MLP
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.errors import Refused


class Model(nn.Module):
    """Settings: `n_latent` dimensions of z, `n_hidden` units in each of `n_layers` hidden layers, `layer_norm`,
    `variance` of a normal likelihood (fixed, learned, optimal)."""

    n_noise = 0  # standard normals a row
    has_components = False
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
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.encoder = MLP(draws, n_features, *hidden, n_latent, layer_norm=layer_norm)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The objective's terms per row, [S, B] each."""
        z = self.encoder(batch.x).unsqueeze(1)  # S, 1, B, L
        return {"reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1)}

    def log_weights(self, batch: Batch) -> Tensor:
        """Refused: without a prior over z there is no density of x to bound."""
        raise Refused("ae: has no prior over z, so there is no bound on log p(x); use vae")

    def embed(self, batch: Batch) -> Tensor:
        """z = m(x), [S, B, L]."""
        return self.encoder(batch.x)

    def cluster(self, batch: Batch) -> Tensor:
        """Refused: the model has no classes."""
        raise Refused(
            "ae: has no components to cluster with; cluster its latent (an entry `baseline: kmeans, space: ae`)"
        )

    def decode(self, z: Tensor, condition: Tensor, library: Tensor) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """Refused: nothing says which z are likely."""
        raise Refused("ae: has no prior over z to sample from; use vae")

    def convert(self, batch: Batch, condition: int) -> Tensor:
        """Refused: the model knows no conditions."""
        raise Refused("ae: is not conditional, so there is no condition to convert to; use cvae or cgmdvae")
