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
With `sampled`, kl_z + kl_y = log q(z|x) - log sum_j p(z|w,y=j) / K: y has dropped out.
`kl_y_floor` is the paper's lambda: while training, each row's kl_y is held above it, so that below it nothing is gained
by mixing the components up. What is reported has no floor.
A row whose label is seen has the same terms with the one-hot label in place of p(y|z,w): the ELBO of log p(x, y).
`label` = log p(y|z,w) is an added term; it is no part of the ELBO.

Source: Dilokthanakul 2016.
"""

import math

import torch
from torch import Tensor, nn

from gmvae.nn.batches import Batch
from gmvae.nn.divergences import kl_normal, kl_standard_normal, log_normal, negative_entropy
from gmvae.nn.layers import MLP, Normal, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.mixtures import choose_component, labels_or_posterior, of_component
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.errors import Refused


class Model(nn.Module):
    """Settings: `n_latent` dimensions of z, `n_style` of w, `n_hidden` units in each of `n_layers` hidden layers,
    `mixture_kl` (closed, sampled), `kl_y_floor` in nats, `layer_norm`, `variance` of a normal likelihood (fixed,
    learned, optimal)."""

    has_components = True
    has_bound = True

    def __init__(
        self,
        n_features: int,
        likelihood: str,
        seeds: list[int],
        n_components: int = 1,
        n_conditions: int = 0,
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
        if mixture_kl not in ("closed", "sampled"):
            raise Refused(f"gmvae.mixture_kl: found {mixture_kl!r}; allowed: closed, sampled")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        self.n_latent, self.n_style, self.n_noise = n_latent, n_style, n_latent + n_style  # standard normals a row
        self.n_components, self.mixture_kl, self.kl_y_floor = n_components, mixture_kl, kl_y_floor
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.q_z = Normal(draws, n_features, *hidden, n_latent, layer_norm=layer_norm)
        self.q_w = Normal(draws, n_features, *hidden, n_style, layer_norm=layer_norm)
        self.p_z = Normal(draws, n_style, n_hidden, n_latent, n_components=n_components)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The objective's terms per row, [S, B] each; `label` is 0 where the label is hidden."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)  # mean and log-variance, S, B, L and S, B, W
        z, w = self.drawn(q_z, q_w, batch.noise)  # S, k, B, L and S, k, B, W
        p_z = self.p_z(w)  # S, k, B, K, L
        log_p_y = self.p_y(z, p_z)  # S, k, B, K
        y = labels_or_posterior(batch.label.unsqueeze(1), log_p_y.exp())
        return {
            "reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1),
            "kl_w": kl_standard_normal(*q_w),
            "kl_z": self.kl_z(z, q_z, p_z, y).mean(1),
            "kl_y": self.kl_y(y),
            "label": (batch.label.unsqueeze(1) * log_p_y).sum(-1).mean(1),
        }

    def drawn(self, q_z: tuple[Tensor, Tensor], q_w: tuple[Tensor, Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
        """z and w at the k noise vectors, [S, k, B, L] and [S, k, B, W]."""
        noise_z, noise_w = noise.split([self.n_latent, self.n_style], -1)
        return reparametrise(*q_z, noise_z), reparametrise(*q_w, noise_w)

    def p_y(self, z: Tensor, p_z: tuple[Tensor, Tensor]) -> Tensor:
        """log p(y|z,w) by Bayes' rule, [S, k, B, L] and the components' moments [S, k, B, K, L] -> [S, k, B, K]."""
        return log_normal(z.unsqueeze(-2), *p_z).log_softmax(-1)

    def kl_z(self, z: Tensor, q_z: tuple[Tensor, Tensor], p_z: tuple[Tensor, Tensor], y: Tensor) -> Tensor:
        """The divergence of q(z|x) from the mixture's components, weighted by y, [S, k, B]."""
        mean, log_variance = (moment.unsqueeze(1) for moment in q_z)  # S, 1, B, L
        if self.mixture_kl == "closed":
            return (y * kl_normal(mean.unsqueeze(-2), log_variance.unsqueeze(-2), *p_z)).sum(-1)
        return log_normal(z, mean, log_variance) - (y * log_normal(z.unsqueeze(-2), *p_z)).sum(-1)

    def kl_y(self, y: Tensor) -> Tensor:
        """KL( y ‖ Cat(1/K) ), the mean over the draws, [S, k, B, K] -> [S, B]; above the floor while training."""
        kl = (negative_entropy(y) + math.log(self.n_components)).mean(1)
        return kl.clamp(min=self.kl_y_floor) if self.training and self.kl_y_floor else kl

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) p(w) sum_j p(z|w,y=j) / K / q(z|x) q(w|x) at the k draws, y summed out, [S, k, B]."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)
        z, w = self.drawn(q_z, q_w, batch.noise)
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
        """q(y|x), the mean of p(y|z,w) over the k draws of z and w in `batch.noise`, [S, B, K]."""
        z, w = self.drawn(self.q_z(batch.x), self.q_w(batch.x), batch.noise)
        return self.p_y(z, self.p_z(w)).exp().mean(1)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws of z a seed from one component, or from the mixture, [S, n, L]; `decode` makes data of them."""
        if condition is not None:
            raise Refused("gmvae: has no conditions to sample from; use cgmdvae")
        p_z = self.p_z(draw_normals(draws, n, self.n_style))  # S, n, K, L
        y = choose_component(
            component, n, p_z[0].new_full((len(draws), self.n_components), 1 / self.n_components), draws
        )
        mean, log_variance = (of_component(moment, y) for moment in p_z)
        return mean + (log_variance / 2).exp() * draw_normals(draws, n, self.n_latent)

    def convert(self, batch: Batch, condition: int) -> Tensor:
        """Refused: the model knows no conditions."""
        raise Refused("gmvae: is not conditional, so there is no condition to convert to; use cgmdvae")
