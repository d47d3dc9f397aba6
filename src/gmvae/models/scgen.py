"""scGen: a variational autoencoder, and arithmetic with its latent.

Story:      z ~ N(0, I),  x ~ N(nu(z), I)
Inference:  q(z|x) = N(m(x), diag s²(x))

Objective, to be maximised, whatever the data's likelihood: half of minus the squared error, summed over the features
(the normal log-density of variance 1), less the divergence at a small weight,
    log N(x; nu(z), I) - kl_weight · kl_z,    kl_z = KL( q(z|x) ‖ N(0, I) ),    kl_weight = 5e-5
The authors' program has a factor 1/2 before both sums, as here. `kl_z` is logged unweighted, and the reported ELBO and
bound have weight 1: they are those of the story, which training at this weight hardly looks at (what it looks at is the
ELBO at a variance of 5e-5, divided by 20,000).

Conversion: x' = nu(m(x) + delta), delta = mean z of the wanted condition - mean z of the row's own, on training rows,
after every type has been resampled to the size of the largest within its condition. Ours is that mean's expectation
over the resampling, the mean over types of the types' means. `balance: paper` takes all types that each condition has:
a type held out of one is then in the other's mean only, and delta carries composition; `shared` takes the types seen
under both. Types are the labels that the task shows; where it shows none, all rows are of one type.

Source: Lotfollahi 2019. The authors have batch normalisation, leaky ReLU and a ReLU at the end of the decoder; ours has
none of these, as no statistic here may depend on a batch.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gmvae.nn.batches import Batch, Rows
from gmvae.nn.divergences import kl_standard_normal, log_normal
from gmvae.nn.inference import embed_rows
from gmvae.nn.layers import MLP, Normal, reparametrise
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.errors import Refused


class Model(nn.Module):
    """Settings: `n_latent` dimensions of z, `n_hidden` units in each of `n_layers` hidden layers, `dropout` rate,
    `kl_weight`, `balance` of the types in delta (paper, shared), `layer_norm`."""

    has_components = False
    has_bound = True

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
        if balance not in ("paper", "shared"):
            raise Refused(f"scgen.balance: found {balance!r}; allowed: paper, shared")
        draws, hidden = make_generators(seeds, "init"), [n_hidden] * n_layers
        options = {"layer_norm": layer_norm, "dropout": dropout, "masks": make_generators(seeds, "dropout")}
        self.n_noise = n_latent  # standard normals a row
        self.n_conditions, self.kl_weight, self.balance = n_conditions, kl_weight, balance
        self.p = Likelihood("normal", len(seeds), n_features)
        self.q_z = Normal(draws, n_features, *hidden, n_latent, **options)
        self.decoder = MLP(draws, n_latent, *hidden[::-1], n_features, **options)
        nothing = torch.full((len(seeds), n_conditions, n_conditions, n_latent), torch.nan)
        self.register_buffer("delta", nothing)  # S, from, to, L

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The objective's terms per row, [S, B] each."""
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

    def fit_delta(self, z: Tensor, label: Tensor, condition: Tensor) -> None:
        """delta from each condition to each, from z [S, N, L], type codes or -1 [S, N] and condition codes or -1 [N].

        NaN between two conditions of which one has no row, or that share no type where they must.
        """
        means, counts = means_by_type(z, label, condition, self.n_conditions)  # S, C, T, L and S, C, T
        there = (counts > 0).to(z.dtype).unsqueeze(-1)  # S, C, T, 1
        if self.balance == "paper":
            centre = (there * means).sum(2) / there.sum(2)  # S, C, L
            self.delta.copy_(centre.unsqueeze(1) - centre.unsqueeze(2))
        else:
            both = there.unsqueeze(1) * there.unsqueeze(2)  # S, C, C, T, 1
            self.delta.copy_((both * (means.unsqueeze(1) - means.unsqueeze(2))).sum(3) / both.sum(3))

    def embed(self, batch: Batch) -> Tensor:
        """The mean of q(z|x), [S, B, L]."""
        return self.q_z(batch.x)[0]

    def cluster(self, batch: Batch) -> Tensor:
        """Refused: the model has no classes."""
        raise Refused("scgen: has no components to cluster with; cluster its latent, or use gmdvae")

    def decode(self, z: Tensor, condition: Tensor, library: Tensor) -> Tensor:
        """nu(z), [S, B, L] -> [S, B, D]: what the encoder sees, so no counts."""
        return self.decoder(z)

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """n draws z ~ N(0, I) a seed, [S, n, L]; `decode` makes data of them."""
        if component is not None or condition is not None:
            raise Refused("scgen: has neither components nor conditions to sample from; use cgmdvae")
        return draw_normals(draws, n, self.n_noise)

    def convert(self, batch: Batch, condition: int) -> Tensor:
        """nu(m(x) + delta), [S, B, D]."""
        if not 0 <= condition < self.n_conditions:
            known = f"0 to {self.n_conditions - 1}" if self.n_conditions else "none, as the data set has no conditions"
            raise Refused(f"scgen: condition: found {condition}; allowed: {known}")
        z = self.embed(batch)
        own = batch.condition.argmax(-1, keepdim=True)  # S, B, 1
        delta = self.delta[:, :, condition].gather(1, own.expand_as(z))
        if not torch.isfinite(delta).all():
            raise Refused(f"scgen: no delta to condition {condition} is known; train on rows of both, of like types")
        return self.decoder(z + delta)


def means_by_type(z: Tensor, label: Tensor, condition: Tensor, n_conditions: int) -> tuple[Tensor, Tensor]:
    """The mean of z [S, N, L] over the rows of each condition and type, [S, C, T, L], 0 where there is none, and their
    number, [S, C, T]. Rows without a condition are left out, and those without a type where others have one."""
    label = label.expand(z.shape[:2])
    label = label if (label >= 0).any() else torch.zeros_like(label)
    n_types = int(label.max()) + 1
    used = (label >= 0) & (condition >= 0)
    group = torch.where(used, condition * n_types + label, n_conditions * n_types)  # S, N; the last is thrown away
    sums = z.new_zeros(len(z), n_conditions * n_types + 1, z.shape[-1])
    counts = z.new_zeros(sums.shape[:2])
    for s in range(len(z)):
        members = one_hot(group[s], counts.shape[1]).to(z.dtype)  # N, C T + 1: a product, the same on every device
        sums[s], counts[s] = members.T @ z[s], members.sum(0)
    shape = (n_conditions, n_types)
    sums, counts = sums[:, :-1].unflatten(1, shape), counts[:, :-1].unflatten(1, shape)
    return sums / counts.clamp(min=1).unsqueeze(-1), counts
