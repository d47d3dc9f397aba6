"""Autoencoder.

Story: none; z = m(x) is a point, and p(x|z) only measures how well z reproduces x.

Objective, to be maximised: log p(x | z = m(x)).

Source: thesis, sec:autoencoders. With the normal likelihood of variance 1 this is minus half the squared error, up
to a constant.
"""

from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch
from gmvae.nn.layers import MLP
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import make_generators


class Model(LatentModel):
    """The autoencoder.

    Args:
        n_latent: Dimensions of z.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        layer_norm: Whether to normalise each row before each ReLU.
        variance: Variance of a normal likelihood: fixed, learned or optimal.
    """

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
        self.p = Likelihood(likelihood, len(seeds), n_features, variance)
        self.encoder = MLP(draws, n_inputs, *hidden, n_latent, layer_norm=layer_norm)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], self.p.n_outputs, layer_norm=layer_norm)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        z = self.encoder(batch.x).unsqueeze(1)  # S, 1, B, L
        return {"reconstruction": self.p.log_prob(batch.target, self.decoder(z), batch.weight).mean(1)}

    def embed(self, batch: Batch) -> Tensor:
        """z = m(x), [S, B, L]."""
        return self.encoder(batch.x)

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], [S, B, L] -> [S, B, D]; `library` [S, B, 1] scales counts."""
        return self.p.mean(self.decoder(z), library)
