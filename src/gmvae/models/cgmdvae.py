"""Conditional Gaussian-mixture variational autoencoder with a Dirichlet layer (the author's cGMΔVAE).

Story:      w ~ p(w|c),  d ~ Dir(alpha),  y ~ Cat(d),  z ~ p(z|w,y,c) = N(mu_y(w,c), diag s²_y(w,c)),  x ~ p(x|z,c)
            the condition c (batch, treatment) is always observed; p(y|d) and p(d) do not depend on it
            with counts the decoder's output is MLP(z,c) + b_c with free b_c
            `components: free` has p(z|w,y), q(y|z) and q(d|z) without c: where a class was held out of a condition,
            a component that depends on c would have to answer for a pair (y, c) that it never saw
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
A row with an observed label has the one-hot label in place of q(y|z,c); `label` = log q(y|z,c) is an added term. With a
view, the class probabilities are the mean of q(y|z,c) and q(y|z_v,c_v), with the view's own c_v (nn/views.py). With a
fixed prior, w follows the same normal under each condition. With a learned one, a shift of all w of one condition does
not change the objective, so `convert` carries w from p(w|c) to p(w|c') by its standard scores.

Source: the author's; gmdvae with c in every density; thesis, sec:cgmdvae.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, View
from gmvae.nn.divergences import expected_kl_categorical, kl_dirichlet, kl_normal, log_normal
from gmvae.nn.layers import MLP, ConditionBias, Normal, append_condition, carry_over, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.mixtures import (
    Moments,
    draw_z_and_w,
    kl_to_components,
    log_mixture,
    sample_mixture,
    select_component,
)
from gmvae.nn.negative_binomial import library_size
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.nn.views import share_class
from gmvae.pipeline.errors import Refused


class Model(LatentModel):
    """The conditional Gaussian-mixture variational autoencoder with a Dirichlet layer.

    Args:
        n_latent: Dimensions of z.
        n_style: Dimensions of w.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        alpha: Concentration of the symmetric Dirichlet prior.
        prior: p(w|c): fixed or learned.
        components: Whether p(z|w,y,c), q(y|z,c) and q(d|z,c) depend on c: conditional, or free of it.
        dirichlet: The concentration a of q(d|z): network or conjugate.
        mixture_kl: The form of kl_z: closed or sampled.
        layer_norm: Whether to normalise each row before each ReLU.
        variance: Variance of a normal likelihood: fixed, learned or optimal.
    """

    has_components = True
    has_bound = True
    has_style = True
    takes_views = True
    conversions = ("w", "z")

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
        alpha: float = 1.0,
        prior: str = "fixed",
        components: str = "conditional",
        dirichlet: str = "network",
        mixture_kl: str = "closed",
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        if not n_conditions:
            raise Refused("cgmdvae: found a dataset without conditions; allowed: one with obs[condition]; use gmdvae")
        self.check_setting("prior", prior, "fixed", "learned")
        self.check_setting("components", components, "conditional", "free")
        self.check_setting("dirichlet", dirichlet, "network", "conjugate")
        self.check_setting("mixture_kl", mixture_kl, "closed", "sampled")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        n_inputs = n_inputs or n_features
        self.n_latent, self.n_style, self.n_noise = n_latent, n_style, n_latent + n_style
        self.n_components, self.n_conditions = n_components, n_conditions
        self.prior, self.components, self.dirichlet, self.mixture_kl = prior, components, dirichlet, mixture_kl
        self.register_buffer("alpha", torch.full((n_components,), float(alpha)))
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        n_given = n_conditions if components == "conditional" else 0
        self.z_given_x = Normal(draws, n_inputs + n_conditions, *hidden, n_latent, layer_norm=layer_norm)
        self.w_given_x = Normal(draws, n_inputs + n_conditions, *hidden, n_style, layer_norm=layer_norm)
        self.z_given_w = Normal(draws, n_style + n_given, n_hidden, n_latent, n_components=n_components)
        self.y_logits = MLP(draws, n_latent + n_given, n_hidden, n_components)
        if dirichlet == "network":
            self.d_logits = MLP(draws, n_latent + n_given, n_hidden, n_components)
        self.decoder = MLP(draws, n_latent + n_conditions, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)
        self.has_bias = likelihood in COUNT_LIKELIHOODS
        if self.has_bias:
            self.add_bias = ConditionBias(len(seeds), n_conditions, self.p.n_outputs)
        if prior == "learned":
            self.w_given_c = Normal(draws, n_conditions, n_style)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        c, (q_z, q_w, z, w) = batch.condition, self.posterior_draws(batch)
        y, class_terms = share_class(batch, self.q_y(z, c), self.class_log_probabilities)  # S, k, B, K
        a = self.q_d(z, y, c)  # S, k, B, K
        return {
            "reconstruction": self.p.log_prob(batch.target, self.p_x(z, c), batch.weight).mean(1),
            "kl_w": kl_normal(*q_w, *self.p_w(c)),
            "kl_z": kl_to_components(z, q_z, self.p_z(w, c), y, self.mixture_kl).mean(1),
            "kl_y": expected_kl_categorical(y, a).mean(1),
            "kl_d": kl_dirichlet(a, self.alpha).mean(1),
        } | class_terms

    def posterior_draws(self, batch: Batch) -> tuple[Moments, Moments, Tensor, Tensor]:
        """The moments of q(z|x,c) and q(w|x,c), [S, B, L] and [S, B, W], and the draws z and w, [S, k, B, ...]."""
        x_and_c = append_condition(batch.x, batch.condition)
        q_z, q_w = self.z_given_x(x_and_c), self.w_given_x(x_and_c)
        return q_z, q_w, *draw_z_and_w(q_z, q_w, batch.noise)

    def p_y(self) -> Tensor:
        """p(y) with d summed out, alpha / sum alpha, [K]."""
        return self.alpha / self.alpha.sum()

    def q_y(self, z: Tensor, condition: Tensor) -> Tensor:
        """log q(y|z,c), [S, k, B, L] and [S, B, C] -> [S, k, B, K]."""
        return self.y_logits(self.append_given(z, condition)).log_softmax(-1)

    def q_d(self, z: Tensor, y: Tensor, condition: Tensor) -> Tensor:
        """The concentration a of q(d|z,c) = Dir(a), from z [S, k, B, L], q(y|z,c) and c -> [S, k, B, K]."""
        if self.dirichlet == "conjugate":
            return self.alpha + y
        return softplus(self.d_logits(self.append_given(z, condition))) + 1e-3

    def p_w(self, condition: Tensor) -> Moments:
        """Mean and log-variance of p(w|c), [S, B, C] -> [S, B, W]; zeros where the prior is fixed."""
        if self.prior == "learned":
            return self.w_given_c(condition)
        zeros = condition.new_zeros(*condition.shape[:2], self.n_style)
        return zeros, zeros

    def p_z(self, w: Tensor, condition: Tensor) -> Moments:
        """Mean and log-variance of p(z|w,y,c) for every y, [S, ..., B, W] and [S, B, C] -> [S, ..., B, K, L]."""
        return self.z_given_w(self.append_given(w, condition))

    def append_given(self, h: Tensor, condition: Tensor) -> Tensor:
        """What the components see: z or w with c behind it, or alone where the components are free of c."""
        return append_condition(h, condition) if self.components == "conditional" else h

    def p_x(self, z: Tensor, condition: Tensor) -> Tensor:
        """The decoder's output for p(x|z,c), [S, ..., B, L] and [S, B, C] -> [S, ..., B, n_outputs]."""
        h = self.decoder(append_condition(z, condition))
        return self.add_bias(h, condition) if self.has_bias else h

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z,c) p(w|c) sum_j p(y=j) p(z|w,y=j,c) / q(z|x,c) q(w|x,c) at the k draws, [S, k, B]."""
        c, (q_z, q_w, z, w) = batch.condition, self.posterior_draws(batch)
        log_p_z = log_mixture(z, self.p_z(w, c), self.p_y().log())
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
        """q(y|x,c), the mean of q(y|z,c) over the k draws of z, [S, B, K]."""
        return self.class_log_probabilities(batch).exp().mean(1)

    def class_log_probabilities(self, batch: Batch | View) -> Tensor:
        """log q(y|z,c) at the k draws of z, [S, k, B, K]; a view has its own c."""
        q_z = self.z_given_x(append_condition(batch.x, batch.condition))
        return self.q_y(reparametrise(*q_z, batch.noise[..., : self.n_latent]), batch.condition)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z,c], [S, B, L] and [S, B, C] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.p_x(z, condition), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws of z for each seed, from one component or the mixture, under one condition (the first), [S, n, L]."""
        noise = draw_normals(draws, n, self.n_style)
        c = self.condition_rows(condition or 0, noise)
        mean, log_variance = self.p_w(c)
        p_z = self.p_z(mean + (log_variance / 2).exp() * noise, c)  # S, n, K, L
        return sample_mixture(p_z, self.p_y().expand(len(draws), -1), component, draws)

    def conversion_means(
        self, batch: Batch, condition: int, through: str | None = None, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """E[x|z,c] and E[x|z',c'] at the draws, [S, k, B, D].

        Through z: z' = z, or z + shift. Through w (the default): style and likeliest class stay, z = mu_y(w,c) and
        z' = mu_y(w',c'), with w' the style carried to p(w|c').
        """
        through = through or "w"
        self.check_conversion(through, shift)
        c, new, (_, _, z, w) = batch.condition, self.condition_rows(condition, batch.x), self.posterior_draws(batch)
        moved = z if shift is None else z + shift[:, None, None]
        if through == "w":
            y = self.cluster(batch).argmax(-1).unsqueeze(1).expand(w.shape[:-1])  # S, k, B
            carried = carry_over(w, self.p_w(c), self.p_w(new))
            z, moved = (select_component(self.p_z(*pair)[0], y) for pair in ((w, c), (carried, new)))
        library = library_size(batch.target).unsqueeze(1)
        return self.p.mean(self.p_x(z, c), library), self.p.mean(self.p_x(moved, new), library)
