"""Conditional variational autoencoder.

Story:      z ~ p(z|c),  x ~ p(x|z,c)               the condition c (batch, treatment) is always observed
            p(z|c) = N(0, I), `prior: fixed`, or N(m_c, diag s²_c) with free m_c and s_c, `prior: learned`;
            with `decode_condition: false` the decoder is p(x|z); with counts its output is MLP(z,c) + b_c, b_c free
Inference:  q(z|x,c) = N(m(x,c), diag s²(x,c))

Objective, to be maximised, for k draws z_i ~ q(z|x,c):
    ELBO = 1/k sum_i log p(x|z_i,c) - kl_z,    kl_z = KL( q(z|x,c) ‖ p(z|c) )
With a fixed prior, one condition and zero weights on it this is the vae. With a learned prior a shift of all z of one
condition does not change the objective, so no use of z may depend on it: `convert` carries z from p(z|c) to p(z|c') by
its standard scores. With a count likelihood and a fixed prior the model has the structure of scVI (Lopez 2018).

Source: Sohn 2015; thesis, sec:cvae.
"""

import torch
from torch import Tensor

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch
from gmvae.nn.divergences import kl_normal, log_normal
from gmvae.nn.layers import MLP, ConditionBias, Normal, append_condition, carry_over, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.negative_binomial import library_size
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.errors import Refused


class Model(LatentModel):
    """The conditional variational autoencoder.

    Args:
        n_latent: Dimensions of z.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        prior: p(z|c): fixed or learned.
        decode_condition: Whether the decoder sees c.
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
        prior: str = "fixed",
        decode_condition: bool = True,
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        if not n_conditions:
            raise Refused("cvae: found a dataset without conditions; allowed: one with obs[condition]; use vae")
        self.check_setting("prior", prior, "fixed", "learned")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        n_inputs = n_inputs or n_features
        self.n_noise = n_latent
        self.n_conditions, self.prior = n_conditions, prior
        self.conversions = ("z",) if decode_condition else ()
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.q = Normal(draws, n_inputs + n_conditions, *hidden, n_latent, layer_norm=layer_norm)
        n_in = n_latent + n_conditions * decode_condition
        self.decoder = MLP(draws, n_in, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)
        self.has_bias = decode_condition and likelihood in COUNT_LIKELIHOODS
        if self.has_bias:
            self.add_bias = ConditionBias(len(seeds), n_conditions, self.p.n_outputs)
        if prior == "learned":
            self.z_given_c = Normal(draws, n_conditions, n_latent)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        q_z, p_z = self.q_z(batch), self.p_z(batch.condition)  # mean and log-variance, S, B, L
        h = self.p_x(reparametrise(*q_z, batch.noise), batch.condition)  # S, k, B, n_outputs
        return {
            "reconstruction": self.p.log_prob(batch.target, h, batch.weight).mean(1),
            "kl_z": kl_normal(*q_z, *p_z),
        }

    def q_z(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x,c), [S, B, L]."""
        return self.q(append_condition(batch.x, batch.condition))

    def p_z(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of p(z|c), [S, B, C] -> [S, B, L]; zeros where the prior is fixed."""
        if self.prior == "learned":
            return self.z_given_c(condition)
        zeros = condition.new_zeros(*condition.shape[:2], self.n_noise)
        return zeros, zeros

    def p_x(self, z: Tensor, condition: Tensor) -> Tensor:
        """The decoder's output for p(x|z,c), [S, ..., B, L] and [S, B, C] -> [S, ..., B, n_outputs]."""
        h = self.decoder(append_condition(z, condition) if self.conversions else z)
        return self.add_bias(h, condition) if self.has_bias else h

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z,c) p(z|c) / q(z|x,c) at the k draws, [S, k, B]."""
        q_z, p_z = self.q_z(batch), self.p_z(batch.condition)
        z = reparametrise(*q_z, batch.noise)
        log_ratio = log_normal(z, *(m.unsqueeze(1) for m in p_z)) - log_normal(z, *(m.unsqueeze(1) for m in q_z))
        return self.p.log_prob(batch.target, self.p_x(z, batch.condition)) + log_ratio

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x,c), [S, B, L]."""
        return self.q_z(batch)[0]

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z,c], [S, B, L] and [S, B, C] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.p_x(z, condition), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws z ~ p(z|c) for each seed, [S, n, L]; of the first condition by default."""
        self.check_component(component)
        noise = draw_normals(draws, n, self.n_noise)
        mean, log_variance = self.p_z(self.condition_rows(condition or 0, noise))
        return mean + (log_variance / 2).exp() * noise

    def conversion_means(
        self, batch: Batch, condition: int, through: str | None = None, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """E[x|z,c] and E[x|z',c'] at the draws of z, [S, k, B, D]; z' is z carried to p(z|c'), or z + shift."""
        if not self.conversions:
            raise Refused("cvae: its decoder does not see the condition; set `decode_condition: true` to convert")
        self.check_conversion(through or "z", shift)
        c, new = batch.condition, self.condition_rows(condition, batch.x)
        z = reparametrise(*self.q_z(batch), batch.noise)
        moved = carry_over(z, self.p_z(c), self.p_z(new)) if shift is None else z + shift[:, None, None]
        library = library_size(batch.target).unsqueeze(1)
        return self.p.mean(self.p_x(z, c), library), self.p.mean(self.p_x(moved, new), library)
