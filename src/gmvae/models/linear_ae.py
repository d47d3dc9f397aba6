"""Linear autoencoder: principal components by gradient descent.

Story: none; encoder and decoder are affine maps of the data, centred at the training rows' mean m.
    z = (x - m) E + b,  x' = m + z D + t                        E [D, L], D [L, D]

Objective, to be maximised, for every likelihood of the data, as for PCA: minus half the squared error, summed over the
features, up to a constant (the normal log-density of variance 1), and a penalty:
    log N(x; x', I) - penalty / 2 · (‖E‖² + ‖D‖²)
With `penalty` 0 every pair with the decoder spanning the principal plane and the encoder its pseudo-inverse is
optimal. With a penalty λ below the L-th eigenvalue of the rows' covariance (1/N) the optima are D = O diag(1 - λ /
s_i²)^½ V^T and E = D^T, s_i² the eigenvalues and O orthogonal: the decoder's singular vectors are the principal
components. In sums over N rows, as in the thesis, λ = tau / N. The penalty is the term `penalty`, equal for all rows.
It has to be part of the differentiated loss: AdamW's weight decay bypasses Adam's scaling and has other optima.

Source: Baldi & Hornik 1989; Plaut 2018; Kunin 2019 (the penalty); thesis, sec:linear-ae.
"""

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, Rows
from gmvae.nn.layers import Linear
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import make_generators
from gmvae.nn.row_storage import column_means


class Model(LatentModel):
    """The linear autoencoder.

    Args:
        n_latent: Dimensions of z.
        penalty: Weight of the squared weights of both maps.
    """

    is_linear = True

    def __init__(
        self,
        n_features: int,
        likelihood: str,
        seeds: list[int],
        n_components: int = 1,
        n_conditions: int = 0,
        *,
        n_latent: int = 10,
        penalty: float = 0.0,
    ):
        super().__init__()
        draws = make_generators(seeds, "init")
        self.penalty = penalty
        self.p = Likelihood("normal", len(seeds), n_features)
        self.register_buffer("centre", torch.zeros(n_features))
        self.encoder = Linear(draws, n_features, n_latent)
        self.decoder = Linear(draws, n_latent, n_features)

    def initialise(self, rows: Rows, seeds: list[int]) -> None:
        """Centre the data at the mean of all training rows."""
        self.centre.copy_(column_means(rows.x))

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        h = self.reconstruct(self.embed(batch)).unsqueeze(1)  # S, 1, B, D
        terms = {"reconstruction": self.p.log_prob(batch.x, h).mean(1)}
        if self.penalty:
            squares = self.encoder.weight.square().sum((1, 2)) + self.decoder.weight.square().sum((1, 2))  # S
            terms["penalty"] = (self.penalty / 2 * squares).unsqueeze(1).expand(batch.x.shape[:2])
        return terms

    def reconstruct(self, z: Tensor) -> Tensor:
        """m + z D + t, [S, B, L] -> [S, B, D]."""
        return self.centre + self.decoder(z)

    def plane(self) -> Tensor:
        """The directions that the decoder spans, as columns, [S, D, L]."""
        return self.decoder.weight.mT

    def embed(self, batch: Batch) -> Tensor:
        """z, [S, B, L]."""
        return self.encoder(batch.x - self.centre)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """x', [S, B, L] -> [S, B, D]; on the scale of the encoder's input, so `library` has no effect."""
        return self.reconstruct(z)
