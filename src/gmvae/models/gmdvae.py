"""Gaussian-mixture variational autoencoder with a Dirichlet layer (the author's cGMΔVAE, without conditions).

Story:      w ~ N(0, I),  d ~ Dir(alpha),  y ~ Cat(d),  z ~ p(z|w,y) = N(mu_y(w), diag s²_y(w)),  x ~ p(x|z)
Inference:  q(z|x) q(w|x) q(y|z) q(d|z)

Objective, to be maximised; y is summed out, d has closed expectations, z and w are drawn (k times):
    ELBO  = log p(x|z) - kl_w - kl_z - kl_y - kl_d
    kl_w  = KL( q(w|x) ‖ N(0, I) )
    kl_z  = sum_j q(y=j|z) KL( q(z|x) ‖ p(z|w,y=j) )            `mixture_kl: closed`: a lower bound of log p(x), but not
                                                                the ELBO of this factorisation
          = log q(z|x) - sum_j q(y=j|z) log p(z|w,y=j)          `mixture_kl: sampled`: that ELBO; may be negative
    kl_y  = E_{q(d|z)} KL( q(y|z) ‖ Cat(d) ) = sum_j q_j (log q_j - psi(a_j) + psi(sum a))
    kl_d  = KL( Dir(a) ‖ Dir(alpha) )                           a = g(z), `dirichlet: network`,
                                                                or alpha + q(y|z), `dirichlet: conjugate`, the optimum
A row whose label is seen has the same terms with the one-hot label in place of q(y|z): the ELBO of log p(x, y). `label`
= log q(y|z) is an added term that teaches q(y|z); it is no part of the ELBO.

Sources: Dilokthanakul 2016 for w, z and the closed kl_z; the Dirichlet layer is the author's (thesis, sec:gmdvae).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gmvae.nn.batches import Batch
from gmvae.nn.divergences import expected_kl_categorical, kl_dirichlet, kl_normal, kl_standard_normal, log_normal
from gmvae.nn.layers import MLP, Normal, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.errors import Refused


class Model(nn.Module):
    """Settings: `n_latent` dimensions of z, `n_style` of w, `n_hidden` units in each of `n_layers` hidden layers,
    `alpha` of the symmetric Dirichlet prior, `dirichlet` (network, conjugate), `mixture_kl` (closed, sampled),
    `layer_norm`, `variance` of a normal likelihood (fixed, learned, optimal)."""

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
        dirichlet: str = "network",
        mixture_kl: str = "closed",
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        if dirichlet not in ("network", "conjugate"):
            raise Refused(f"gmdvae.dirichlet: found {dirichlet!r}; allowed: network, conjugate")
        if mixture_kl not in ("closed", "sampled"):
            raise Refused(f"gmdvae.mixture_kl: found {mixture_kl!r}; allowed: closed, sampled")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        self.n_latent, self.n_style, self.n_noise = n_latent, n_style, n_latent + n_style
        self.n_components, self.dirichlet, self.mixture_kl = n_components, dirichlet, mixture_kl
        self.register_buffer("alpha", torch.full((n_components,), float(alpha)))
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.q_z = Normal(draws, n_features, *hidden, n_latent, layer_norm=layer_norm)
        self.q_w = Normal(draws, n_features, *hidden, n_style, layer_norm=layer_norm)
        self.p_z = Normal(draws, n_style, n_hidden, n_latent, n_components=n_components)
        self.y_logits = MLP(draws, n_latent, n_hidden, n_components)
        if dirichlet == "network":
            self.d_logits = MLP(draws, n_latent, n_hidden, n_components)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The objective's terms per row, [S, B] each; `label` is 0 where the label is hidden."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)  # mean and log-variance, S, B, L and S, B, W
        noise_z, noise_w = batch.noise.split([self.n_latent, self.n_style], -1)
        z, w = reparametrise(*q_z, noise_z), reparametrise(*q_w, noise_w)  # S, k, B, L and S, k, B, W
        log_q_y = self.q_y(z)  # S, k, B, K
        y = self.seen(batch.label, log_q_y.exp())
        a = self.q_d(z, y)  # S, k, B, K
        return {
            "reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1),
            "kl_w": kl_standard_normal(*q_w),
            "kl_z": self.kl_z(z, q_z, w, y).mean(1),
            "kl_y": expected_kl_categorical(y, a).mean(1),
            "kl_d": kl_dirichlet(a, self.alpha).mean(1),
            "label": (batch.label.unsqueeze(1) * log_q_y).sum(-1).mean(1),
        }

    def q_y(self, z: Tensor) -> Tensor:
        """log q(y|z), [S, ..., L] -> [S, ..., K]."""
        return self.y_logits(z).log_softmax(-1)

    def q_d(self, z: Tensor, y: Tensor) -> Tensor:
        """The concentration a of q(d|z) = Dir(a), [S, ..., L] and q(y|z) [S, ..., K] -> [S, ..., K]."""
        return self.alpha + y if self.dirichlet == "conjugate" else softplus(self.d_logits(z)) + 1e-3

    def kl_z(self, z: Tensor, q_z: tuple[Tensor, Tensor], w: Tensor, y: Tensor) -> Tensor:
        """The divergence of q(z|x) from the mixture's components, weighted by y, [S, k, B]."""
        mean, log_variance = (moment.unsqueeze(1) for moment in q_z)  # S, 1, B, L
        p_mean, p_log_variance = self.p_z(w)  # S, k, B, K, L
        if self.mixture_kl == "closed":
            each = kl_normal(mean.unsqueeze(-2), log_variance.unsqueeze(-2), p_mean, p_log_variance)
            return (y * each).sum(-1)
        log_p_z = log_normal(z.unsqueeze(-2), p_mean, p_log_variance)
        return log_normal(z, mean, log_variance) - (y * log_p_z).sum(-1)

    def seen(self, label: Tensor, q_y: Tensor) -> Tensor:
        """The one-hot label [S, B, K] where it is seen, q(y|z) [S, k, B, K] elsewhere."""
        label = label.unsqueeze(1)
        return torch.where(label.sum(-1, keepdim=True) > 0, label, q_y)

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) p(w) sum_j p(y=j) p(z|w,y=j) / q(z|x) q(w|x) at the k draws, y and d summed out, [S, k, B]."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)
        noise_z, noise_w = batch.noise.split([self.n_latent, self.n_style], -1)
        z, w = reparametrise(*q_z, noise_z), reparametrise(*q_w, noise_w)
        log_q = log_normal(z, *(m.unsqueeze(1) for m in q_z)) + log_normal(w, *(m.unsqueeze(1) for m in q_w))
        return self.p.log_prob(batch.target, self.decoder(z)) + self.log_p_z(z, w) + log_normal(w) - log_q

    def log_p_z(self, z: Tensor, w: Tensor) -> Tensor:
        """log sum_j p(y=j) p(z|w,y=j) with p(y=j) = alpha_j / sum alpha, [S, k, B, L] and [S, k, B, W] -> [S, k, B]."""
        log_p_y = (self.alpha / self.alpha.sum()).log()
        return (log_p_y + log_normal(z.unsqueeze(-2), *self.p_z(w))).logsumexp(-1)

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.q_z(batch.x)[0]

    def cluster(self, batch: Batch) -> Tensor:
        """q(y|x), the mean of q(y|z) over the k draws of z in `batch.noise`, [S, B, K]."""
        z = reparametrise(*self.q_z(batch.x), batch.noise[..., : self.n_latent])
        return self.q_y(z).exp().mean(1)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws of z a seed from one component, or from the mixture, [S, n, L]; `decode` makes data of them."""
        if condition is not None:
            raise Refused("gmdvae: has no conditions to sample from; use cgmdvae")
        mean, log_variance = self.p_z(draw_normals(draws, n, self.n_style))  # S, n, K, L
        if component is None:
            uniform = torch.stack([torch.rand(n, 1, generator=g, device=g.device) for g in draws])
            component = (uniform > (self.alpha / self.alpha.sum()).cumsum(0)[:-1]).sum(-1)  # S, n
        index = torch.as_tensor(component, device=mean.device).expand(mean.shape[:2])[..., None, None]
        index = index.expand(-1, -1, 1, self.n_latent)
        mean, log_variance = mean.gather(2, index).squeeze(2), log_variance.gather(2, index).squeeze(2)
        return mean + (log_variance / 2).exp() * draw_normals(draws, n, self.n_latent)

    def convert(self, batch: Batch, condition: int) -> Tensor:
        """Refused: the model knows no conditions."""
        raise Refused("gmdvae: is not conditional, so there is no condition to convert to; use cgmdvae")
