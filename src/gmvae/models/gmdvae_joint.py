"""The Gaussian-mixture variational autoencoder with a Dirichlet layer whose class probabilities see the row itself.

Story:      w ~ N(0, I),  d ~ Dir(alpha),  y ~ Cat(d),  z ~ p(z|w,y) = N(mu_y(w), diag s²_y(w)),  x ~ p(x|z)
Inference:  q(z|x) q(w|x) q(y|z,x) q(d|z,x)

The story is that of `gmdvae`: given z and w, y does not depend on x, so an exact posterior has no use for it. A network
that sees z alone has to do without w, of which x tells something, and x is there before z is drawn.

Objective, to be maximised; y is summed out, d has closed expectations, z and w are drawn (k times):
    ELBO  = log p(x|z) - kl_w - kl_z - kl_y - kl_d
    kl_w  = KL( q(w|x) ‖ N(0, I) )
    kl_z  = sum_j q(y=j|z,x) KL( q(z|x) ‖ p(z|w,y=j) )          `mixture_kl: closed`: a lower bound of log p(x), but not
                                                                the ELBO of this factorisation
          = log q(z|x) - sum_j q(y=j|z,x) log p(z|w,y=j)        `mixture_kl: sampled`: that ELBO; may be negative
    kl_y  = E_{q(d|z,x)} KL( q(y|z,x) ‖ Cat(d) )
    kl_d  = KL( Dir(a) ‖ Dir(alpha) ), a = alpha + q(y|z,x), the optimum
A row with an observed label has the same terms with the one-hot label in place of q(y|z,x): the ELBO of log p(x, y).
`label` = log q(y|z,x) is an added term; it is not part of the ELBO.
With a view v, the class probabilities are the mean of q(y|z,x) and q(y|z_v,v) (nn/views.py).

Sources: Dilokthanakul 2016 for w, z and the closed kl_z; the Dirichlet layer is the author's (thesis, sec:gmdvae).
"""

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, View
from gmvae.nn.divergences import expected_kl_categorical, kl_dirichlet, kl_standard_normal, log_normal
from gmvae.nn.layers import MLP, Normal, append_condition, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.mixtures import draw_z_and_w, kl_to_components, log_mixture, sample_mixture
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.nn.views import share_class


class Model(LatentModel):
    """The model with q(y|z,x).

    Args:
        n_latent: Dimensions of z.
        n_style: Dimensions of w.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        alpha: Concentration of the symmetric Dirichlet prior.
        mixture_kl: The form of kl_z: closed or sampled.
        layer_norm: Whether to normalise each row before each ReLU.
        variance: Variance of a normal likelihood: fixed, learned or optimal.
    """

    has_components = True
    has_bound = True
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
        alpha: float = 1.0,
        mixture_kl: str = "closed",
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        self.check_setting("mixture_kl", mixture_kl, "closed", "sampled")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        n_inputs = n_inputs or n_features
        self.n_latent, self.n_style, self.n_noise = n_latent, n_style, n_latent + n_style
        self.mixture_kl = mixture_kl
        self.register_buffer("alpha", torch.full((n_components,), float(alpha)))
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.q_z = Normal(draws, n_inputs, *hidden, n_latent, layer_norm=layer_norm)
        self.q_w = Normal(draws, n_inputs, *hidden, n_style, layer_norm=layer_norm)
        self.p_z = Normal(draws, n_style, n_hidden, n_latent, n_components=n_components)
        self.y_logits = MLP(draws, n_latent + n_inputs, n_hidden, n_components)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)  # mean and log-variance, S, B, L and S, B, W
        z, w = draw_z_and_w(q_z, q_w, batch.noise)  # S, k, B, L and S, k, B, W
        y, class_terms = share_class(batch, self.q_y(z, batch.x), self.class_log_probabilities)  # S, k, B, K
        a = self.alpha + y
        return {
            "reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1),
            "kl_w": kl_standard_normal(*q_w),
            "kl_z": kl_to_components(z, q_z, self.p_z(w), y, self.mixture_kl).mean(1),
            "kl_y": expected_kl_categorical(y, a).mean(1),
            "kl_d": kl_dirichlet(a, self.alpha).mean(1),
        } | class_terms

    def p_y(self) -> Tensor:
        """p(y) with d summed out, alpha / sum alpha, [K]."""
        return self.alpha / self.alpha.sum()

    def q_y(self, z: Tensor, x: Tensor) -> Tensor:
        """log q(y|z,x), from the draws of z [S, k, B, L] and the encoder's input x [S, B, D] -> [S, k, B, K]."""
        return self.y_logits(append_condition(z, x)).log_softmax(-1)

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) p(w) sum_j p(y=j) p(z|w,y=j) / q(z|x) q(w|x) at the k draws, y and d summed out, [S, k, B]."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)
        z, w = draw_z_and_w(q_z, q_w, batch.noise)
        log_q = log_normal(z, *(m.unsqueeze(1) for m in q_z)) + log_normal(w, *(m.unsqueeze(1) for m in q_w))
        log_p_z = log_mixture(z, self.p_z(w), self.p_y().log())
        return self.p.log_prob(batch.target, self.decoder(z)) + log_p_z + log_normal(w) - log_q

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.q_z(batch.x)[0]

    def cluster(self, batch: Batch) -> Tensor:
        """q(y|x), the mean of q(y|z,x) over the k draws of z, [S, B, K]."""
        return self.class_log_probabilities(batch).exp().mean(1)

    def class_log_probabilities(self, batch: Batch | View) -> Tensor:
        """log q(y|z,x) at the k draws of z, [S, k, B, K]."""
        z = reparametrise(*self.q_z(batch.x), batch.noise[..., : self.n_latent])
        return self.q_y(z, batch.x)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws of z for each seed, from one component or from the mixture, [S, n, L]."""
        self.check_condition(condition)
        p_z = self.p_z(draw_normals(draws, n, self.n_style))  # S, n, K, L
        return sample_mixture(p_z, self.p_y().expand(len(draws), -1), component, draws)
