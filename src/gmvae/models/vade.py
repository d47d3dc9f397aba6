"""Variational deep embedding.

Story:      y ~ Cat(pi),  z ~ p(z|y) = N(mu_y, diag s²_y),  x ~ p(x|z); pi, mu and s² are free parameters
Inference:  q(z|x) gamma(y|x)

Objective, to be maximised; y is summed out, z is drawn (k times):
    ELBO  = log p(x|z) - kl_z - kl_y
    kl_z  = sum_j gamma_j KL( q(z|x) ‖ p(z|y=j) )               exact: a lower bound for every gamma
    kl_y  = KL( gamma ‖ pi )
    gamma_j ∝ pi_j p(z|y=j) at the draw                         `gamma: paper`
            ∝ pi_j exp( -KL( q(z|x) ‖ p(z|y=j) ) )              `gamma: optimal`: maximises the ELBO, given q(z|x);
                                                                then kl_z + kl_y = -log sum_j pi_j exp(-KL_j)
A row with an observed label has the same terms with the one-hot label in place of gamma: the ELBO of log p(x, y).
`label` = log gamma_y is an added term; it is not part of the ELBO.
With a view, the class probabilities are the mean of the gammas of the row and of the view (nn/views.py).
Start, `initialise: mixture`: after the phase `autoencode`, a Gaussian mixture fitted to the latent means sets pi, mu
and s². Where some labels are observed, the class means of the labelled rows do, and each unlabelled row joins the
nearest. With `none` they keep their random start. This start replaces the phase `guide`, whose k-means orders the
components differently.

Source: Jiang 2017, who take the first gamma for the maximiser: it is that only where q(z|x) is a point.
"""

import torch
from torch import Tensor, nn

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, Rows, View
from gmvae.nn.divergences import kl_categorical, kl_normal, log_normal
from gmvae.nn.inference import embed_rows
from gmvae.nn.layers import MLP, Normal, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.mixtures import sample_mixture, starting_responsibilities
from gmvae.nn.random_streams import derive_key, draw_normals, make_generators
from gmvae.nn.views import share_class


class Model(LatentModel):
    """Variational deep embedding.

    Args:
        n_latent: Dimensions of z.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        gamma: The class probabilities gamma: paper or optimal.
        initialise: How the components start: mixture or none.
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
        n_hidden: int = 128,
        n_layers: int = 2,
        gamma: str = "paper",
        initialise: str = "mixture",
        layer_norm: bool = False,
        variance: str = "fixed",
    ):
        super().__init__()
        self.check_setting("gamma", gamma, "paper", "optimal")
        self.check_setting("initialise", initialise, "mixture", "none")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        n_inputs = n_inputs or n_features
        self.n_noise = n_latent
        self.gamma, self.start = gamma, initialise
        self.starts_from_clusters = initialise == "mixture"
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.q_z = Normal(draws, n_inputs, *hidden, n_latent, layer_norm=layer_norm)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)
        self.y_logits = nn.Parameter(torch.zeros(len(seeds), n_components))  # S, K
        means = draw_normals(draws, n_components, n_latent, dtype=torch.float64)
        self.z_mean = nn.Parameter(means.to(torch.get_default_dtype()))  # S, K, L
        self.z_log_variance = nn.Parameter(torch.zeros(len(seeds), n_components, n_latent))  # S, K, L

    def initialise(self, rows: Rows, seeds: list[int]) -> None:
        """Set pi, mu and s² to the moments of each seed's latent means under their starting responsibilities."""
        if self.start == "none":
            return
        means, label = embed_rows(self, rows), rows.label.cpu().numpy()  # S, N, L and S, N
        for s, seed in enumerate(seeds):
            points = means[s].double().cpu().numpy()
            q = starting_responsibilities(
                points, label[s], rows.n_components, derive_key(seed, "mixture") % 2**32
            )  # N, K
            share = q.sum(0).clip(1e-3)[:, None]
            mean = q.T @ points / share
            variance = (q.T @ points**2 / share - mean**2).clip(1e-6)
            self.y_logits.data[s] = torch.as_tensor(share[:, 0]).log()
            self.z_mean.data[s] = torch.as_tensor(mean)
            self.z_log_variance.data[s] = torch.as_tensor(variance).log()

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        q_z = self.q_z(batch.x)  # mean and log-variance, S, B, L
        z = reparametrise(*q_z, batch.noise)  # S, k, B, L
        y, class_terms = share_class(batch, self.log_gamma(z, q_z), self.class_log_probabilities)  # S, k, B, K
        return {
            "reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1),
            "kl_z": (y * self.kl_each(q_z).unsqueeze(1)).sum(-1).mean(1),
            "kl_y": kl_categorical(y, self.p_y()[:, None, None]).mean(1),
        } | class_terms

    def p_y(self) -> Tensor:
        """log pi, [S, K]."""
        return self.y_logits.log_softmax(-1)

    def p_z(self, z: Tensor) -> Tensor:
        """log p(z|y=j) of every component j, [S, k, B, L] -> [S, k, B, K]."""
        return log_normal(z.unsqueeze(-2), self.z_mean[:, None, None], self.z_log_variance[:, None, None])

    def kl_each(self, q_z: tuple[Tensor, Tensor]) -> Tensor:
        """KL( q(z|x) ‖ p(z|y=j) ) of every component j, [S, B, L] twice -> [S, B, K]."""
        mean, log_variance = (moment.unsqueeze(-2) for moment in q_z)  # S, B, 1, L
        return kl_normal(mean, log_variance, self.z_mean.unsqueeze(1), self.z_log_variance.unsqueeze(1))

    def log_gamma(self, z: Tensor, q_z: tuple[Tensor, Tensor]) -> Tensor:
        """log gamma, [S, k, B, L] and the moments of q(z|x) -> [S, k, B, K]."""
        if self.gamma == "paper":
            return (self.p_y()[:, None, None] + self.p_z(z)).log_softmax(-1)
        best = (self.p_y().unsqueeze(1) - self.kl_each(q_z)).log_softmax(-1)  # S, B, K: the same for every draw
        return best.unsqueeze(1).expand(-1, z.shape[1], -1, -1)

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) sum_j pi_j p(z|y=j) / q(z|x) at the k draws, y summed out, [S, k, B]."""
        q_z = self.q_z(batch.x)
        z = reparametrise(*q_z, batch.noise)
        log_p_z = (self.p_y()[:, None, None] + self.p_z(z)).logsumexp(-1)
        log_q_z = log_normal(z, *(moment.unsqueeze(1) for moment in q_z))
        return self.p.log_prob(batch.target, self.decoder(z)) + log_p_z - log_q_z

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.q_z(batch.x)[0]

    def cluster(self, batch: Batch) -> Tensor:
        """q(y|x), the mean of gamma over the k draws of z, [S, B, K]."""
        return self.class_log_probabilities(batch).exp().mean(1)

    def class_log_probabilities(self, batch: Batch | View) -> Tensor:
        """log gamma at the k draws of z, [S, k, B, K]."""
        q_z = self.q_z(batch.x)
        return self.log_gamma(reparametrise(*q_z, batch.noise), q_z)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws of z for each seed, from one component or from the mixture, [S, n, L]."""
        self.check_condition(condition)
        p_z = tuple(moment.unsqueeze(1).expand(-1, n, -1, -1) for moment in (self.z_mean, self.z_log_variance))
        return sample_mixture(p_z, self.p_y().exp(), component, draws)
