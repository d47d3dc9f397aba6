"""Conditional Gaussian-mixture variational autoencoder with a Dirichlet layer (the author's cGMΔVAE).

Story:      w ~ p(w|c),  d ~ Dir(alpha),  y ~ Cat(d),  z ~ p(z|w,y,c) = N(mu_y(w,c), diag s²_y(w,c)),  x ~ p(x|z,c)
            c, the condition (batch, treatment), is always seen; which classes there are does not depend on it
            p(w|c) = N(0, I), `prior: fixed`, or N(m_c, diag s²_c) with free m_c and s_c, `prior: learned`
Inference:  q(z|x,c) q(w|x,c) q(y|z,c) q(d|z,c)

Objective, to be maximised; y is summed out, d has closed expectations, z and w are drawn (k times):
    ELBO  = log p(x|z,c) - kl_w - kl_z - kl_y - kl_d
    kl_w  = KL( q(w|x,c) ‖ p(w|c) )
    kl_z  = sum_j q(y=j|z,c) KL( q(z|x,c) ‖ p(z|w,y=j,c) )          `mixture_kl: closed`: a lower bound of log p(x|c)
          = log q(z|x,c) - sum_j q(y=j|z,c) log p(z|w,y=j,c)        `mixture_kl: sampled`: the ELBO; may be negative
    kl_y  = E_{q(d|z,c)} KL( q(y|z,c) ‖ Cat(d) )
    kl_d  = KL( Dir(a) ‖ Dir(alpha) )                               a = g(z,c), `dirichlet: network`,
                                                                    or alpha + q(y|z,c), `dirichlet: conjugate`
A row whose label is seen has the one-hot label in place of q(y|z,c); `label` = log q(y|z,c) is an added term. With a
fixed prior w must fill the same normal under each condition. With a learned one the objective is indifferent to a shift
of all w of a condition; so `convert` carries w from p(w|c) to p(w|c') by its standard scores.

Source: the author's; gmdvae with c in every density; thesis, sec:cgmdvae.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gmvae.nn.batches import Batch, one_hot
from gmvae.nn.divergences import expected_kl_categorical, kl_dirichlet, kl_normal, log_normal
from gmvae.nn.layers import MLP, Normal, append_condition, carry_over, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.negative_binomial import library_size
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.errors import Refused

CHOICES = {"prior": ("fixed", "learned"), "dirichlet": ("network", "conjugate"), "mixture_kl": ("closed", "sampled")}


class Model(nn.Module):
    """Settings: `n_latent` dimensions of z, `n_style` of w, `n_hidden` units in each of `n_layers` hidden layers,
    `alpha` of the symmetric Dirichlet prior, `prior` of w (fixed, learned), `dirichlet` (network, conjugate),
    `mixture_kl` (closed, sampled), `layer_norm`, `variance` of a normal likelihood (fixed, learned, optimal)."""

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
        alpha: float = 1.0,
        prior: str = "fixed",
        dirichlet: str = "network",
        mixture_kl: str = "closed",
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        if not n_conditions:
            raise Refused("cgmdvae: found a data set without conditions; allowed: one with obs[condition]; use gmdvae")
        for name, value in {"prior": prior, "dirichlet": dirichlet, "mixture_kl": mixture_kl}.items():
            if value not in CHOICES[name]:
                raise Refused(f"cgmdvae.{name}: found {value!r}; allowed: {', '.join(CHOICES[name])}")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        self.n_latent, self.n_style, self.n_noise = n_latent, n_style, n_latent + n_style
        self.n_components, self.n_conditions = n_components, n_conditions
        self.prior, self.dirichlet, self.mixture_kl = prior, dirichlet, mixture_kl
        self.register_buffer("alpha", torch.full((n_components,), float(alpha)))
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.z_given_x = Normal(draws, n_features + n_conditions, *hidden, n_latent, layer_norm=layer_norm)
        self.w_given_x = Normal(draws, n_features + n_conditions, *hidden, n_style, layer_norm=layer_norm)
        self.z_given_w = Normal(draws, n_style + n_conditions, n_hidden, n_latent, n_components=n_components)
        self.y_logits = MLP(draws, n_latent + n_conditions, n_hidden, n_components)
        if dirichlet == "network":
            self.d_logits = MLP(draws, n_latent + n_conditions, n_hidden, n_components)
        self.decoder = MLP(draws, n_latent + n_conditions, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)
        if prior == "learned":
            self.w_given_c = Normal(draws, n_conditions, n_style)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The objective's terms per row, [S, B] each; `label` is 0 where the label is hidden."""
        c, (q_z, q_w, z, w) = batch.condition, self.draws(batch)
        log_q_y = self.q_y(z, c)  # S, k, B, K
        y = self.seen(batch.label, log_q_y.exp())
        a = self.q_d(z, y, c)  # S, k, B, K
        return {
            "reconstruction": self.p.log_prob(batch.target, self.p_x(z, c), batch.weight).mean(1),
            "kl_w": kl_normal(*q_w, *self.p_w(c)),
            "kl_z": self.kl_z(z, q_z, self.p_z(w, c), y).mean(1),
            "kl_y": expected_kl_categorical(y, a).mean(1),
            "kl_d": kl_dirichlet(a, self.alpha).mean(1),
            "label": (batch.label.unsqueeze(1) * log_q_y).sum(-1).mean(1),
        }

    def draws(self, batch: Batch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor, Tensor]:
        """q(z|x,c) and q(w|x,c), mean and log-variance [S, B, L] and [S, B, W] each, and the draws [S, k, B, ...]."""
        seen = append_condition(batch.x, batch.condition)
        q_z, q_w = self.z_given_x(seen), self.w_given_x(seen)
        noise_z, noise_w = batch.noise.split([self.n_latent, self.n_style], -1)
        return q_z, q_w, reparametrise(*q_z, noise_z), reparametrise(*q_w, noise_w)

    def q_y(self, z: Tensor, condition: Tensor) -> Tensor:
        """log q(y|z,c), [S, k, B, L] and [S, B, C] -> [S, k, B, K]."""
        return self.y_logits(append_condition(z, condition)).log_softmax(-1)

    def q_d(self, z: Tensor, y: Tensor, condition: Tensor) -> Tensor:
        """The concentration a of q(d|z,c) = Dir(a), from z [S, k, B, L], q(y|z,c) and c -> [S, k, B, K]."""
        if self.dirichlet == "conjugate":
            return self.alpha + y
        return softplus(self.d_logits(append_condition(z, condition))) + 1e-3

    def p_w(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of p(w|c), [S, B, C] -> [S, B, W]; zeros where the prior is fixed."""
        if self.prior == "learned":
            return self.w_given_c(condition)
        zeros = condition.new_zeros(*condition.shape[:2], self.n_style)
        return zeros, zeros

    def p_z(self, w: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of p(z|w,y,c) for every y, [S, ..., B, W] and [S, B, C] -> [S, ..., B, K, L]."""
        return self.z_given_w(append_condition(w, condition))

    def p_x(self, z: Tensor, condition: Tensor) -> Tensor:
        """The decoder's output for p(x|z,c), [S, ..., B, L] and [S, B, C] -> [S, ..., B, n_outputs]."""
        return self.decoder(append_condition(z, condition))

    def kl_z(self, z: Tensor, q_z: tuple[Tensor, Tensor], p_z: tuple[Tensor, Tensor], y: Tensor) -> Tensor:
        """The divergence of q(z|x,c) from the mixture's components, weighted by y, [S, k, B]."""
        mean, log_variance = (moment.unsqueeze(1) for moment in q_z)  # S, 1, B, L
        if self.mixture_kl == "closed":
            return (y * kl_normal(mean.unsqueeze(-2), log_variance.unsqueeze(-2), *p_z)).sum(-1)
        return log_normal(z, mean, log_variance) - (y * log_normal(z.unsqueeze(-2), *p_z)).sum(-1)

    def seen(self, label: Tensor, q_y: Tensor) -> Tensor:
        """The one-hot label [S, B, K] where it is seen, q(y|z,c) [S, k, B, K] elsewhere."""
        label = label.unsqueeze(1)
        return torch.where(label.sum(-1, keepdim=True) > 0, label, q_y)

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z,c) p(w|c) sum_j p(y=j) p(z|w,y=j,c) / q(z|x,c) q(w|x,c) at the k draws, [S, k, B]."""
        c, (q_z, q_w, z, w) = batch.condition, self.draws(batch)
        log_p_y = (self.alpha / self.alpha.sum()).log()
        log_p_z = (log_p_y + log_normal(z.unsqueeze(-2), *self.p_z(w, c))).logsumexp(-1)
        log_p_w = log_normal(w, *(m.unsqueeze(1) for m in self.p_w(c)))
        log_q = log_normal(z, *(m.unsqueeze(1) for m in q_z)) + log_normal(w, *(m.unsqueeze(1) for m in q_w))
        return self.p.log_prob(batch.target, self.p_x(z, c)) + log_p_z + log_p_w - log_q

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x,c), [S, B, L]."""
        return self.z_given_x(append_condition(batch.x, batch.condition))[0]

    def style(self, batch: Batch) -> Tensor:
        """The mean of q(w|x,c), [S, B, W]."""
        return self.w_given_x(append_condition(batch.x, batch.condition))[0]

    def cluster(self, batch: Batch) -> Tensor:
        """q(y|x,c), the mean of q(y|z,c) over the k draws of z in `batch.noise`, [S, B, K]."""
        return self.q_y(self.draws(batch)[2], batch.condition).exp().mean(1)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor) -> Tensor:
        """E[x|z,c], [S, B, L] and [S, B, C] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.p_x(z, condition), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws of z from one component, or from the mixture; of the first condition unless told, [S, n, L]."""
        noise = draw_normals(draws, n, self.n_style)
        c = self.one_condition(condition or 0, noise)
        p_w = self.p_w(c)
        mean, log_variance = self.p_z(p_w[0] + (p_w[1] / 2).exp() * noise, c)  # S, n, K, L
        if component is None:
            uniform = torch.stack([torch.rand(n, 1, generator=g, device=g.device) for g in draws])
            component = (uniform > (self.alpha / self.alpha.sum()).cumsum(0)[:-1]).sum(-1)  # S, n
        y = torch.as_tensor(component, device=mean.device).expand(mean.shape[:2])
        return component_moments(mean, y) + (component_moments(log_variance, y) / 2).exp() * draw_normals(
            draws, n, self.n_latent
        )

    def convert(self, batch: Batch, condition: int, through: str = "w") -> Tensor:
        """E[x|z',c'] at the draws in `batch.noise`, their mean, [S, B, D].

        `through` z: z' = z, decoded under c'. `through` w: style and likeliest class are kept, z' = mu_y(w',c') with w'
        the style carried to p(w|c').
        """
        if through not in ("w", "z"):
            raise Refused(f"cgmdvae: convert through: found {through!r}; allowed: w, z")
        new, (_, _, z, w) = self.one_condition(condition, batch.x), self.draws(batch)
        if through == "w":
            y = self.cluster(batch).argmax(-1)  # S, B
            w = carry_over(w, self.p_w(batch.condition), self.p_w(new))
            z = component_moments(self.p_z(w, new)[0], y.unsqueeze(1).expand(w.shape[:-1]))
        return self.p.mean(self.p_x(z, new), library_size(batch.target).unsqueeze(1)).mean(1)

    def one_condition(self, condition: int, like: Tensor) -> Tensor:
        """The one-hot condition for each of the rows [S, B, ...], [S, B, C]."""
        if not 0 <= condition < self.n_conditions:
            raise Refused(f"cgmdvae: condition: found {condition}; allowed: 0 to {self.n_conditions - 1}")
        return one_hot(torch.full(like.shape[:2], condition, device=like.device), self.n_conditions)


def component_moments(moments: Tensor, y: Tensor) -> Tensor:
    """What belongs to component y, [..., K, L] and [...] -> [..., L]."""
    return moments.gather(-2, y[..., None, None].expand(*y.shape, 1, moments.shape[-1])).squeeze(-2)
