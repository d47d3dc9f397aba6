"""Gaussian-mixture variational autoencoder.

Story:      w ~ N(0, I),  y ~ Cat(1/K),  z ~ p(z|w,y) = N(mu_y(w), diag s²_y(w)),  x ~ p(x|z)
Inference:  q(z|x) q(w|x) p(y|z,w), the last in closed form: p(y=j|z,w) = p(z|w,y=j) / sum_i p(z|w,y=i)

Objective, to be maximised; y is summed out, z and w are drawn (k times):
    ELBO  = log p(x|z) - kl_w - kl_z - kl_y
    kl_w  = KL( q(w|x) ‖ N(0, I) )
    kl_z  = sum_j p(y=j|z,w) KL( q(z|x) ‖ p(z|w,y=j) )          `mixture_kl: closed` (the paper): a lower bound of
                                                                log p(x), but not the ELBO of this factorisation
          = log q(z|x) - sum_j p(y=j|z,w) log p(z|w,y=j)        `mixture_kl: sampled`: that ELBO; may be negative
    kl_y  = KL( p(y|z,w) ‖ Cat(1/K) )
With `sampled` and no view, kl_z + kl_y = log q(z|x) - log sum_j p(z|w,y=j) / K: y cancels.
`kl_y_floor` is the paper's lambda: in training, kl_y of each row is at least this floor, so that mixing the components
up to get below it does not pay. Reported terms have no floor.
A row with an observed label has the same terms with the one-hot label in place of p(y|z,w): the ELBO of log p(x, y).
`label` = log p(y|z,w) is an added term; it is not part of the ELBO.
With a view, the class probabilities are the mean of p(y|z,w) and p(y|z_v,w_v) (nn/views.py).

Source: Dilokthanakul 2016.
"""

import math

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, View
from gmvae.nn.divergences import kl_standard_normal, log_normal, negative_entropy
from gmvae.nn.layers import MLP, Normal
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.mixtures import draw_z_and_w, kl_to_components, sample_mixture
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.nn.views import share_class


class Model(LatentModel):
    """The Gaussian-mixture variational autoencoder.

    Args:
        n_latent: Dimensions of z.
        n_style: Dimensions of w.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        mixture_kl: The form of kl_z: closed or sampled.
        kl_y_floor: Smallest kl_y of a row while training, in nats.
        layer_norm: Whether to normalise each row before each ReLU.
        variance: Variance of a normal likelihood: fixed, learned or optimal.
    """

    has_components = True
    has_bound = True
    has_style = True
    takes_views = True

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
        n_style: int = 2,
        n_hidden: int = 128,
        n_layers: int = 2,
        mixture_kl: str = "closed",
        kl_y_floor: float = 0.0,
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        self.check_setting("mixture_kl", mixture_kl, "closed", "sampled")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        n_inputs = n_inputs or n_features
        self.n_latent, self.n_style, self.n_noise = n_latent, n_style, n_latent + n_style
        self.n_components, self.mixture_kl, self.kl_y_floor = n_components, mixture_kl, kl_y_floor
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.q_z = Normal(draws, n_inputs, *hidden, n_latent, layer_norm=layer_norm)
        self.q_w = Normal(draws, n_inputs, *hidden, n_style, layer_norm=layer_norm)
        self.p_z = Normal(draws, n_style, n_hidden, n_latent, n_components=n_components)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)  # mean and log-variance, S, B, L and S, B, W
        z, w = draw_z_and_w(q_z, q_w, batch.noise)  # S, k, B, L and S, k, B, W
        p_z = self.p_z(w)  # S, k, B, K, L
        y, class_terms = share_class(batch, self.p_y(z, p_z), self.class_log_probabilities)  # S, k, B, K
        return {
            "reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1),
            "kl_w": kl_standard_normal(*q_w),
            "kl_z": kl_to_components(z, q_z, p_z, y, self.mixture_kl).mean(1),
            "kl_y": self.kl_y(y),
        } | class_terms

    def p_y(self, z: Tensor, p_z: tuple[Tensor, Tensor]) -> Tensor:
        """log p(y|z,w) by Bayes' rule, [S, k, B, L] and the components' moments [S, k, B, K, L] -> [S, k, B, K]."""
        return log_normal(z.unsqueeze(-2), *p_z).log_softmax(-1)

    def kl_y(self, y: Tensor) -> Tensor:
        """KL( y ‖ Cat(1/K) ), the mean over the draws, [S, k, B, K] -> [S, B]; above the floor while training."""
        kl = (negative_entropy(y) + math.log(self.n_components)).mean(1)
        return kl.clamp(min=self.kl_y_floor) if self.training and self.kl_y_floor else kl

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) p(w) sum_j p(z|w,y=j) / K / q(z|x) q(w|x) at the k draws, y summed out, [S, k, B]."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)
        z, w = draw_z_and_w(q_z, q_w, batch.noise)
        log_p_z = log_normal(z.unsqueeze(-2), *self.p_z(w)).logsumexp(-1) - math.log(self.n_components)
        log_q = log_normal(z, *(m.unsqueeze(1) for m in q_z)) + log_normal(w, *(m.unsqueeze(1) for m in q_w))
        return self.p.log_prob(batch.target, self.decoder(z)) + log_p_z + log_normal(w) - log_q

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.q_z(batch.x)[0]

    def style(self, batch: Batch) -> Tensor:
        """The mean of q(w|x), [S, B, W]."""
        return self.q_w(batch.x)[0]

    def cluster(self, batch: Batch) -> Tensor:
        """q(y|x), the mean of p(y|z,w) over the k draws of z and w, [S, B, K]."""
        return self.class_log_probabilities(batch).exp().mean(1)

    def class_log_probabilities(self, batch: Batch | View) -> Tensor:
        """log p(y|z,w) at the k draws of z and w, [S, k, B, K]."""
        z, w = draw_z_and_w(self.q_z(batch.x), self.q_w(batch.x), batch.noise)
        return self.p_y(z, self.p_z(w))

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws of z for each seed, from one component or from the mixture, [S, n, L]."""
        self.check_condition(condition)
        p_z = self.p_z(draw_normals(draws, n, self.n_style))  # S, n, K, L
        p_y = p_z[0].new_full((len(draws), self.n_components), 1 / self.n_components)
        return sample_mixture(p_z, p_y, component, draws)
