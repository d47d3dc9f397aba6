"""scGen: a variational autoencoder, and arithmetic with its latent.

Story:      z ~ N(0, I),  x ~ N(nu(z), I)
Inference:  q(z|x) = N(m(x), diag s²(x))

Objective, to be maximised, for every likelihood of the data: minus half the squared error, summed over the features
(the normal log-density of variance 1), less the divergence at a small weight,
    log N(x; nu(z), I) - kl_weight · kl_z,    kl_z = KL( q(z|x) ‖ N(0, I) ),    kl_weight = 5e-5
The authors' program has a factor 1/2 before both sums, as here. `kl_z` is logged unweighted, and the reported ELBO and
bound have weight 1: they belong to the story, but training at this weight hardly optimises them (it optimises the ELBO
at a variance of 5e-5, scaled by 5e-5).

Conversion: x' = nu(m(x) + delta), delta = mean z of the new condition - mean z of the row's own, on training rows,
after every type has been resampled to the size of the largest within its condition. We take the expectation over the
resampling: the mean over types of the types' means. `balance: paper` uses all types of each condition: a type held out
of one is then in the other's mean only, and delta carries a difference in composition; `shared` uses the types present
under both. Types are the labels that the task reveals; without labels all rows are of one type.

Source: Lotfollahi 2019. The authors have batch normalisation, leaky ReLU and a ReLU at the end of the decoder; ours has
none of these, as no statistic here may depend on a batch.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, Rows
from gmvae.nn.divergences import kl_standard_normal, log_normal
from gmvae.nn.inference import embed_rows
from gmvae.nn.layers import MLP, Dropout, Normal, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import draw_normals, generator_states, make_generators, restore_generators
from gmvae.pipeline.errors import Refused


class Model(LatentModel):
    """The variational autoencoder of scGen.

    Args:
        n_latent: Dimensions of z.
        n_hidden: Units in each hidden layer of the encoder, and in reverse of the decoder.
        n_layers: Hidden layers.
        dropout: Dropout rate.
        kl_weight: Weight of the divergence in the loss.
        balance: The types that delta uses: paper or shared.
        layer_norm: Whether to normalise each row before each ReLU.
    """

    has_bound = True
    conversions = ("z",)

    def __init__(
        self,
        n_features: int,
        likelihood: str,
        seeds: list[int],
        n_components: int = 1,
        n_conditions: int = 0,
        *,
        n_latent: int = 100,
        n_hidden: int = 800,
        n_layers: int = 2,
        dropout: float = 0.2,
        kl_weight: float = 5e-5,
        balance: str = "paper",
        layer_norm: bool = False,
    ):
        super().__init__()
        self.check_setting("balance", balance, "paper", "shared")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        options = {"layer_norm": layer_norm, "dropout": dropout, "masks": make_generators(seeds, "dropout")}
        self.n_noise = n_latent
        self.n_conditions, self.kl_weight, self.balance = n_conditions, kl_weight, balance
        self.p = Likelihood("normal", len(seeds), n_features)
        self.q_z = Normal(draws, n_features, *hidden, n_latent, **options)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], n_features, **options)
        unknown = torch.full((len(seeds), n_conditions, n_conditions, n_latent), torch.nan)
        self.register_buffer("delta", unknown)  # S, from, to, L

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row, [S, B] each."""
        mean, log_variance = self.q_z(batch.x)  # S, B, L
        z = reparametrise(mean, log_variance, batch.noise)  # S, k, B, L
        return {
            "reconstruction": self.p.log_prob(batch.x, self.decoder(z)).mean(1),
            "kl_z": kl_standard_normal(mean, log_variance),
        }

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x|z) p(z) / q(z|x) at the k draws, [S, k, B]."""
        mean, log_variance = self.q_z(batch.x)
        z = reparametrise(mean, log_variance, batch.noise)
        log_q_z = log_normal(z, mean.unsqueeze(1), log_variance.unsqueeze(1))
        return self.p.log_prob(batch.x, self.decoder(z)) + log_normal(z) - log_q_z

    def conclude(self, rows: Rows) -> None:
        """Fit delta on the training rows."""
        self.fit_delta(embed_rows(self, rows), rows.label, rows.condition)

    def training_state(self) -> dict[str, Tensor]:
        """The states of the random generators of each dropout layer."""
        layers = enumerate(self.dropout_layers())
        return {f"dropout {number}": generator_states(layer.streams) for number, layer in layers if layer.streams}

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Restore the random generators of each dropout layer."""
        for number, layer in enumerate(self.dropout_layers()):
            if f"dropout {number}" in state:
                layer.streams = restore_generators(state[f"dropout {number}"], self.delta.device)

    def dropout_layers(self) -> list[Dropout]:
        """The dropout layers of encoder and decoder, in order."""
        return [layer for layer in self.modules() if isinstance(layer, Dropout)]

    def fit_delta(self, z: Tensor, label: Tensor, condition: Tensor) -> None:
        """Compute delta from each condition to each other one.

        It is NaN between two conditions if one of them has no row, or if `balance: shared` finds no shared type.

        Args:
            z: The rows' latent means, [S, N, L].
            label: The rows' type codes, -1 where unknown, [S, N].
            condition: The rows' condition codes, -1 where unknown, [N].
        """
        means, counts = means_by_type(z, label, condition, self.n_conditions)  # S, C, T, L and S, C, T
        present = (counts > 0).to(z.dtype).unsqueeze(-1)  # S, C, T, 1
        if self.balance == "paper":
            centre = (present * means).sum(2) / present.sum(2)  # S, C, L
            self.delta.copy_(centre.unsqueeze(1) - centre.unsqueeze(2))
        else:
            both = present.unsqueeze(1) * present.unsqueeze(2)  # S, C, C, T, 1
            self.delta.copy_((both * (means.unsqueeze(1) - means.unsqueeze(2))).sum(3) / both.sum(3))

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.q_z(batch.x)[0]

    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """nu(z), [S, B, L] -> [S, B, D]; on the scale of the encoder's input, so `library` has no effect."""
        return self.decoder(z)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws z ~ N(0, I) for each seed, [S, n, L]."""
        self.check_component(component)
        if condition is not None:
            raise Refused(f"scgen: condition: found {condition}; allowed: none, its prior is N(0, I); use cgmdvae")
        return draw_normals(draws, n, self.n_noise)

    def conversion_means(
        self, batch: Batch, condition: int, through: str | None = None, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """nu(m(x)) and nu(m(x) + delta), or a shift in place of delta, [S, 1, B, D] each."""
        self.check_condition(condition)
        self.check_conversion(through or "z", shift)
        z = self.embed(batch)
        moved = z + (self.row_delta(batch, condition) if shift is None else shift[:, None])
        return self.decoder(z).unsqueeze(1), self.decoder(moved).unsqueeze(1)

    def row_delta(self, batch: Batch, condition: int) -> Tensor:
        """delta from each row's condition to this one, [S, B, L]; refused where it is not known."""
        own = batch.condition.argmax(-1, keepdim=True)  # S, B, 1
        delta = self.delta[:, :, condition].gather(1, own.expand(-1, -1, self.n_noise))
        if not torch.isfinite(delta).all():
            raise Refused(f"scgen: no delta to condition {condition} is known; train on rows of both that share types")
        return delta


def means_by_type(z: Tensor, label: Tensor, condition: Tensor, n_conditions: int) -> tuple[Tensor, Tensor]:
    """The mean of z [S, N, L] over the rows of each condition and type, [S, C, T, L], 0 if there are none, and their
    number, [S, C, T]. Rows without a condition do not count, nor rows without a type if others have one."""
    label = label.expand(z.shape[:2])
    label = label if (label >= 0).any() else torch.zeros_like(label)
    n_types = int(label.max()) + 1
    used = (label >= 0) & (condition >= 0)
    group = torch.where(used, condition * n_types + label, n_conditions * n_types)  # S, N; the last group is dropped
    sums = z.new_zeros(len(z), n_conditions * n_types + 1, z.shape[-1])
    counts = z.new_zeros(sums.shape[:2])
    for s in range(len(z)):
        members = one_hot(group[s], counts.shape[1]).to(z.dtype)  # N, C T + 1; a product gives the same on every device
        sums[s], counts[s] = members.T @ z[s], members.sum(0)
    shape = (n_conditions, n_types)
    sums, counts = sums[:, :-1].unflatten(1, shape), counts[:, :-1].unflatten(1, shape)
    return sums / counts.clamp(min=1).unsqueeze(-1), counts
