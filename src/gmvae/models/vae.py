"""Variational autoencoder.

Story:      z ~ N(0, I),  x ~ p(x|z)
Inference:  q(z|x) = N(m(x), diag s²(x))

Objective, to be maximised, for k draws z_i ~ q(z|x) (thesis, eq:mc, the divergence in closed form):
    ELBO = 1/k sum_i log p(x|z_i) - KL( q(z|x) ‖ N(0, I) )

Source: Kingma & Welling 2013.
"""

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch
from gmvae.nn.divergences import kl_standard_normal, log_normal
from gmvae.nn.layers import MLP, Normal, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import draw_normals, make_generators


class Model(LatentModel):
    """The variational autoencoder.

    Args:
        n_latent: Dimensions of z.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        layer_norm: Whether to normalise each row before each ReLU.
        variance: Variance of a normal likelihood: fixed, learned or optimal.
    """

    has_bound = True

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
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        n_inputs = n_inputs or n_features
        self.n_noise = n_latent
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.q_z = Normal(draws, n_inputs, *hidden, n_latent, layer_norm=layer_norm)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        mean, log_variance = self.q_z(batch.x)  # S, B, L
        z = reparametrise(mean, log_variance, batch.noise)  # S, k, B, L
        return {
            "reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1),
            "kl_z": kl_standard_normal(mean, log_variance),
        }

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) p(z) / q(z|x) at the k draws, [S, k, B]; their log-mean-exp bounds log p(x) (Burda 2016)."""
        mean, log_variance = self.q_z(batch.x)
        z = reparametrise(mean, log_variance, batch.noise)
        log_q_z = log_normal(z, mean.unsqueeze(1), log_variance.unsqueeze(1))
        return self.p.log_prob(batch.target, self.decoder(z)) + log_normal(z) - log_q_z

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.q_z(batch.x)[0]

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws z ~ N(0, I) for each seed, [S, n, L]."""
        self.check_component(component)
        self.check_condition(condition)
        return draw_normals(draws, n, self.n_noise)
