"""Linear variational autoencoder: a model that a user adds, here in a test.

Story:      z ~ N(0, I),  x ~ p(x|z), the decoder affine
Inference:  q(z|x) = N(A x + a, diag s²), one s for all rows

Objective, to be maximised: ELBO = log p(x|z) - KL( q(z|x) ‖ N(0, I) ), z drawn k times.

Source: Lucas 2019, whose optimum is probabilistic PCA.
"""

import torch
from torch import Tensor, nn

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch
from gmvae.nn.divergences import kl_standard_normal, log_normal
from gmvae.nn.layers import Linear, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import draw_normals, make_generators


class Model(LatentModel):
    """The linear variational autoencoder.

    Args:
        n_latent: Dimensions of z.
        n_hidden: Not used.
    """

    has_bound = True

    def __init__(
        self,
        n_features: int,
        likelihood: str,
        seeds: list[int],
        n_components: int = 1,
        n_conditions: int = 0,
        *,
        n_latent: int = 2,
        n_hidden: int = 0,
    ):
        super().__init__()
        draws = make_generators(seeds, "init")
        self.n_noise = n_latent
        self.p = Likelihood(likelihood, len(seeds), n_features)
        self.encoder = Linear(draws, n_features, n_latent)
        self.log_variance = nn.Parameter(torch.zeros(len(seeds), 1, n_latent))
        self.decoder = Linear(draws, n_latent, self.p.n_outputs)

    def q_z(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), [S, B, L] each."""
        mean = self.encoder(x)
        return mean, self.log_variance.expand_as(mean)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        q_z = self.q_z(batch.x)
        z = reparametrise(*q_z, batch.noise)
        reconstruction = self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1)
        return {"reconstruction": reconstruction, "kl_z": kl_standard_normal(*q_z)}

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) p(z) / q(z|x) at the k draws, [S, k, B]."""
        mean, log_variance = self.q_z(batch.x)
        z = reparametrise(mean, log_variance, batch.noise)
        log_q_z = log_normal(z, mean.unsqueeze(1), log_variance.unsqueeze(1))
        return self.p.log_prob(batch.target, self.decoder(z)) + log_normal(z) - log_q_z

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.encoder(batch.x)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws z ~ N(0, I) for each seed, [S, n, L]."""
        self.check_component(component)
        self.check_condition(condition)
        return draw_normals(draws, n, self.n_noise)
