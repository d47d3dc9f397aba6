"""Semi-supervised variational autoencoder (the paper's M2).

Story:      y ~ Cat(1/K),  z ~ N(0, I),  x ~ p(x|y,z)
Inference:  q(y|x) q(z|x,y)

Objective, to be maximised; y is summed out, z is drawn (k times) for every y, with the same noise:
    ELBO  = reconstruction - kl_z - kl_y
    reconstruction = sum_j q(y=j|x) log p(x|y=j,z_j),  z_j ~ q(z|x,y=j)
    kl_z  = sum_j q(y=j|x) KL( q(z|x,y=j) ‖ N(0, I) )
    kl_y  = KL( q(y|x) ‖ Cat(1/K) )
A row with an observed label takes the one-hot label in place of q(y|x): the ELBO of log p(x, y). `label` = log q(y|x)
is an added term that trains q(y|x) (its weight is the paper's alpha); it is not part of the ELBO.
With a view, the class probabilities are the mean of q(y|x) and q(y|v) (nn/views.py).
z does not carry the class: it holds the rest of x, given y.

Source: Kingma 2014; on the latent of a trained vae in place of x it is the paper's M1+M2.
"""

import math

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, View
from gmvae.nn.divergences import kl_standard_normal, log_normal, negative_entropy
from gmvae.nn.layers import MLP, Normal, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.nn.views import share_class


class Model(LatentModel):
    """The semi-supervised variational autoencoder M2.

    Args:
        n_latent: Dimensions of z.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        layer_norm: Whether to normalise each row before each ReLU.
        variance: Variance of a normal likelihood: fixed, learned or optimal.
    """

    has_components = True
    has_bound = True
    takes_views = True
    decodes_class = True

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
        self.n_noise, self.n_components = n_latent, n_components
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.y_logits = MLP(draws, n_inputs, *hidden, n_components, layer_norm=layer_norm)
        self.z_moments = Normal(draws, n_inputs + n_components, *hidden, n_latent, layer_norm=layer_norm)
        self.decoder = MLP(draws, n_latent + n_components, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        y, class_terms = share_class(batch, self.class_log_probabilities(batch), self.class_log_probabilities)
        y = y.squeeze(1)  # S, B, K
        q_z = self.q_z(batch.x)  # mean and log-variance, S, B, K, L
        z = reparametrise(*q_z, batch.noise.unsqueeze(-2))  # S, k, B, K, L
        log_p_x = self.p_x(batch.target, z, batch.weight.unsqueeze(-1) * y)  # S, k, B, K
        return {
            "reconstruction": (y.unsqueeze(1) * log_p_x).sum(-1).mean(1),
            "kl_z": (y * kl_standard_normal(*q_z)).sum(-1),
            "kl_y": negative_entropy(y) + math.log(self.n_components),
        } | class_terms

    def q_y(self, x: Tensor) -> Tensor:
        """log q(y|x), [S, B, D] -> [S, B, K]."""
        return self.y_logits(x).log_softmax(-1)

    def class_log_probabilities(self, batch: Batch | View) -> Tensor:
        """log q(y|x), which has no draws, [S, 1, B, K]."""
        return self.q_y(batch.x).unsqueeze(1)

    def q_z(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x,y) for every y, [S, B, D] -> [S, B, K, L]."""
        return self.z_moments(self.append_every_class(x.unsqueeze(-2).expand(-1, -1, self.n_components, -1)))

    def p_x(self, x: Tensor, z: Tensor, weight: Tensor | None = None) -> Tensor:
        """log p(x|y,z) for every y, [S, B, D] and [S, k, B, K, L] -> [S, k, B, K].

        `weight` [S, B, K] weights each pair of row and class in the optimal variance.
        """
        h = self.decoder(self.append_every_class(z)).flatten(2, 3)  # S, k, B·K, n_outputs
        pairs = x.to_dense().repeat_interleave(self.n_components, 1)  # S, B·K, D
        log_p_x = self.p.log_prob(pairs, h, None if weight is None else weight.flatten(1, 2))
        return log_p_x.unflatten(2, (-1, self.n_components))

    def append_every_class(self, values: Tensor) -> Tensor:
        """[S, ..., K, n] -> [S, ..., K, n + K]: the values of class j followed by j's one-hot."""
        one_hot = torch.eye(self.n_components, dtype=values.dtype, device=values.device)
        return torch.cat([values, one_hot.expand(*values.shape[:-1], -1)], -1)

    def log_weights(self, batch: Batch) -> Tensor:
        """log sum_j p(x|y=j,z_j) p(z_j) / q(z_j|x,y=j) / K at the k draws, y summed out, [S, k, B]."""
        q_z = self.q_z(batch.x)
        z = reparametrise(*q_z, batch.noise.unsqueeze(-2))  # S, k, B, K, L
        log_q_z = log_normal(z, *(moment.unsqueeze(1) for moment in q_z))
        each = self.p_x(batch.target, z) + log_normal(z) - log_q_z  # S, k, B, K
        return each.logsumexp(-1) - math.log(self.n_components)

    def embed(self, batch: Batch) -> Tensor:
        """The mean of z under q(y|x) q(z|x,y), [S, B, L]."""
        return (self.q_y(batch.x).exp().unsqueeze(-1) * self.q_z(batch.x)[0]).sum(-2)

    def cluster(self, batch: Batch) -> Tensor:
        """q(y|x), [S, B, K]."""
        return self.q_y(batch.x).exp()

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z] under the class probabilities y [S, B, K], p(y) where None; [S, B, L] -> [S, B, D].

        `library` [S, B, 1] scales counts.
        """
        each = self.decoder(self.append_every_class(z.unsqueeze(-2).expand(-1, -1, self.n_components, -1)))
        means = self.p.mean(each, library.unsqueeze(-2))  # S, B, K, D
        return means.mean(-2) if y is None else (y.unsqueeze(-1) * means).sum(-2)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws z ~ N(0, I) for each seed, [S, n, L], for every component alike: `decode` takes the class."""
        self.check_condition(condition)
        return draw_normals(draws, n, self.n_noise)
