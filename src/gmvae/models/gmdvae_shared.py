"""The Gaussian-mixture variational autoencoder with one Dirichlet variable for the whole set: a prior on its weights.

Story:      d ~ Dir(alpha) once; for each row  w ~ N(0, I),  y ~ Cat(d),
            z ~ p(z|w,y) = N(mu_y(w), diag s²_y(w)),  x ~ p(x|z)
Inference:  q(d) = Dir(a) once; for each row  q(z|x) q(w|x) q(y|z)

Objective of the N training rows, to be maximised; y is summed out, d has closed expectations, z and w are drawn:
    sum over the rows of [ log p(x|z) - kl_w - kl_z - kl_y ] - KL( Dir(a) ‖ Dir(alpha) )  <=  log p(x_1, ..., x_N)
and for each row, with its share of the one divergence of d, which does not depend on the row:
    ELBO  = log p(x|z) - kl_w - kl_z - kl_y - kl_d
    kl_w  = KL( q(w|x) ‖ N(0, I) )
    kl_z  = sum_j q(y=j|z) KL( q(z|x) ‖ p(z|w,y=j) )            `mixture_kl: closed`: below the same log p, but not the
                                                                ELBO of this factorisation
          = log q(z|x) - sum_j q(y=j|z) log p(z|w,y=j)          `mixture_kl: sampled`: that ELBO; may be negative
    kl_y  = E_{q(d)} KL( q(y|z) ‖ Cat(d) ) = sum_j q_j (log q_j - psi(a_j) + psi(sum a))
    kl_d  = KL( Dir(a) ‖ Dir(alpha) ) / N
For given networks the best a is alpha + the sum over the training rows of E[q(y|z)], or of the one-hot label where it
is observed. It is set before each epoch and after the last, from one draw of z for each row; the steps in between
follow the gradient of the networks at this a. Every a gives a bound. During `autoencode` a is alpha, and N is 1.

A new row has, under the weights that the training rows leave, the density  p(x; a) = E_{q(d)} p(x|d)
= sum_j (a_j / sum a) p(x|y=j), since p(x|d) is linear in d. Its terms are the same. Without kl_d they are the mean over
q(d) of a bound of log p(x|d), so they bound log p(x; a); with kl_d, which is not negative, they lie below that.
`log_weights` is for log p(x; a).
A row with an observed label has the same terms with the one-hot label in place of q(y|z). `label` = log q(y|z) is an
added term; it is not part of the ELBO. With a view, the class probabilities are the mean of q(y|z) and q(y|z_v)
(nn/views.py); a counts the rows themselves.

Sources: Dilokthanakul 2016 for w, z and the closed kl_z; thesis, eq:global-d for d and the best a.
"""

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, Rows, View
from gmvae.nn.divergences import expected_kl_categorical, kl_dirichlet, kl_standard_normal, log_normal
from gmvae.nn.inference import apply_to_rows
from gmvae.nn.layers import MLP, Normal, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.mixtures import draw_z_and_w, kl_to_components, labels_or_posterior, log_mixture, sample_mixture
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.nn.views import share_class


class Model(LatentModel):
    """The model with one vector of weights for all rows.

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
        self.seeds, self.mixture_kl = tuple(seeds), mixture_kl
        self.register_buffer("alpha", torch.full((n_components,), float(alpha)))
        self.register_buffer("a", torch.full((len(seeds), n_components), float(alpha)))  # S, K
        self.register_buffer("n_rows", torch.ones(1))  # N
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.q_z = Normal(draws, n_inputs, *hidden, n_latent, layer_norm=layer_norm)
        self.q_w = Normal(draws, n_inputs, *hidden, n_style, layer_norm=layer_norm)
        self.p_z = Normal(draws, n_style, n_hidden, n_latent, n_components=n_components)
        self.y_logits = MLP(draws, n_latent, n_hidden, n_components)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def refresh(self, rows: Rows) -> None:
        """Set a to its optimum, alpha + the sum over all training rows of the class probabilities, or of the labels."""

        def classes(batch: Batch) -> Tensor:
            return labels_or_posterior(batch.label, self.cluster(batch))

        draws = make_generators(list(self.seeds), "weights of the set", rows.device)
        self.a.copy_(self.alpha + apply_to_rows(classes, rows, self, draws).sum(1))
        self.n_rows.fill_(rows.label.shape[1])

    def conclude(self, rows: Rows) -> None:
        """Set a to its optimum for the trained networks."""
        self.refresh(rows)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)  # mean and log-variance, S, B, L and S, B, W
        z, w = draw_z_and_w(q_z, q_w, batch.noise)  # S, k, B, L and S, k, B, W
        y, class_terms = share_class(batch, self.q_y(z), self.class_log_probabilities)  # S, k, B, K
        share = kl_dirichlet(self.a, self.alpha) / self.n_rows  # S
        return {
            "reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1),
            "kl_w": kl_standard_normal(*q_w),
            "kl_z": kl_to_components(z, q_z, self.p_z(w), y, self.mixture_kl).mean(1),
            "kl_y": expected_kl_categorical(y, self.a[:, None, None]).mean(1),
            "kl_d": share.unsqueeze(-1).expand(-1, y.shape[2]),
        } | class_terms

    def p_y(self) -> Tensor:
        """p(y; a) with d summed out, a / sum a, [S, K]."""
        return self.a / self.a.sum(-1, keepdim=True)

    def q_y(self, z: Tensor) -> Tensor:
        """log q(y|z), [S, ..., L] -> [S, ..., K]."""
        return self.y_logits(z).log_softmax(-1)

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) p(w) sum_j p(y=j; a) p(z|w,y=j) / q(z|x) q(w|x) at the k draws, y and d summed out, [S, k, B]."""
        q_z, q_w = self.q_z(batch.x), self.q_w(batch.x)
        z, w = draw_z_and_w(q_z, q_w, batch.noise)
        log_q = log_normal(z, *(m.unsqueeze(1) for m in q_z)) + log_normal(w, *(m.unsqueeze(1) for m in q_w))
        log_p_z = log_mixture(z, self.p_z(w), self.p_y().log()[:, None, None])
        return self.p.log_prob(batch.target, self.decoder(z)) + log_p_z + log_normal(w) - log_q

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.q_z(batch.x)[0]

    def cluster(self, batch: Batch) -> Tensor:
        """q(y|x), the mean of q(y|z) over the k draws of z, [S, B, K]."""
        return self.class_log_probabilities(batch).exp().mean(1)

    def class_log_probabilities(self, batch: Batch | View) -> Tensor:
        """log q(y|z) at the k draws of z, [S, k, B, K]."""
        return self.q_y(reparametrise(*self.q_z(batch.x), batch.noise[..., : self.n_latent]))

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws of z for each seed, from one component or from the mixture, [S, n, L]."""
        self.check_condition(condition)
        p_z = self.p_z(draw_normals(draws, n, self.n_style))  # S, n, K, L
        return sample_mixture(p_z, self.p_y(), component, draws)
