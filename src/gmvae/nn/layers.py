"""Networks for S seeds at once: every parameter carries a leading seed axis S, every product is a batched one.

Each seed's weights are drawn from its own generator, in float64 and then rounded, so that a seed starts from the same
weights whatever its company and its precision.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from gmvae.nn.affine_maps import affine


class Linear(nn.Module):
    """S affine maps x -> x W + b, uniform initialisation of variance 2 / (n_in + n_out) (Glorot & Bengio 2010)."""

    def __init__(self, generators: list[torch.Generator], n_in: int, n_out: int):
        super().__init__()
        bound = math.sqrt(6 / (n_in + n_out))
        draws = [torch.rand(n_in, n_out, generator=g, dtype=torch.float64) for g in generators]
        weight = (2 * torch.stack(draws) - 1) * bound
        self.weight = nn.Parameter(weight.to(torch.get_default_dtype()))  # S, n_in, n_out
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, n_out))  # S, 1, n_out

    def forward(self, x: Tensor) -> Tensor:
        """[S, ..., n_in] -> [S, ..., n_out]."""
        flat = affine(x.flatten(1, -2), self.weight, self.bias)
        return flat.unflatten(1, x.shape[1:-1])


class LayerNorm(nn.Module):
    """Each row to mean 0 and variance 1 over its features, then a learned scale and shift per seed (Ba 2016)."""

    def __init__(self, n_seeds: int, n_features: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_seeds, 1, n_features))
        self.shift = nn.Parameter(torch.zeros(n_seeds, 1, n_features))

    def forward(self, x: Tensor) -> Tensor:
        """[S, ..., n_features] -> the same shape."""
        normed = nn.functional.layer_norm(x, x.shape[-1:]).flatten(1, -2)
        return (self.shift + self.scale * normed).unflatten(1, x.shape[1:-1])


class Dropout(nn.Module):
    """In training each number is 0 with the probability `rate`, else divided by 1 - rate; as it is in evaluation.

    Each seed's masks come from a stream of its own, begun where its generator stands when the layer is made.
    """

    def __init__(self, generators: list[torch.Generator], rate: float):
        super().__init__()
        self.rate = rate
        self.keys = [int(torch.randint(2**62, (1,), generator=g)) for g in generators]
        self.streams: list[torch.Generator] = []

    def forward(self, x: Tensor) -> Tensor:
        """[S, ...] -> the same shape."""
        if not self.training:
            return x
        if not self.streams or self.streams[0].device != x.device:
            self.streams = [torch.Generator(x.device).manual_seed(key) for key in self.keys]
        draws = [torch.rand(x.shape[1:], generator=g, device=x.device, dtype=x.dtype) for g in self.streams]
        return x * (torch.stack(draws) >= self.rate) / (1 - self.rate)


class MLP(nn.Sequential):
    """Affine maps with ReLU between them, `sizes` = (n_in, n_hidden, ..., n_out); `layer_norm` before each ReLU, and
    after it dropout at the rate `dropout`, whose masks come from the generators `masks`."""

    def __init__(
        self,
        generators: list[torch.Generator],
        *sizes: int,
        layer_norm: bool = False,
        dropout: float = 0.0,
        masks: list[torch.Generator] | None = None,
    ):
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes[:-1]):
            layers.append(Linear(generators, n_in, n_out))
            if layer_norm:
                layers.append(LayerNorm(len(generators), n_out))
            layers.append(nn.ReLU())
            if dropout:
                layers.append(Dropout(masks, dropout))
        super().__init__(*layers, Linear(generators, *sizes[-2:]))

    def forward(self, x: Tensor) -> Tensor:
        """[S, ..., n_in] -> [S, ..., n_out], in the parameters' precision even where the products are rounded."""
        return super().forward(x).to(self[-1].weight.dtype)


class Normal(nn.Module):
    """A network to the mean and log-variance of a diagonal normal; with `n_components`, one normal per component. The
    other options are the network's.

    The log-variance is kept within ±LIMIT by a soft bound, smooth and nearly the identity around 0: an encoder early in
    its training may ask for variances that overflow.
    """

    LIMIT = 12.0

    def __init__(self, generators: list[torch.Generator], *sizes: int, n_components: int = 0, **options):
        super().__init__()
        self.shape = (n_components, sizes[-1]) if n_components else (sizes[-1],)
        n_out = 2 * math.prod(self.shape)
        self.network = MLP(generators, *sizes[:-1], n_out, **options)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[S, ..., n_in] -> mean and log-variance [S, ..., n_out] or [S, ..., n_components, n_out]."""
        mean, log_variance = self.network(x).chunk(2, -1)
        bounded = self.LIMIT * torch.tanh(log_variance / self.LIMIT)
        return mean.unflatten(-1, self.shape), bounded.unflatten(-1, self.shape)


def reparametrise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """The reparametrised draw mean + sd · noise: [S, B, L] twice and standard normals [S, k, B, L] -> [S, k, B, L]."""
    return mean.unsqueeze(1) + (log_variance / 2).exp().unsqueeze(1) * noise


def append_condition(h: Tensor, condition: Tensor) -> Tensor:
    """h with the condition at its end: [S, B, n] or [S, k, B, n], and one-hot [S, B, C] -> [..., n + C]."""
    if h.dim() > condition.dim():
        condition = condition.unsqueeze(1).expand(-1, h.shape[1], -1, -1)
    return torch.cat([h, condition], -1)


def carry_over(z: Tensor, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
    """z [S, k, B, L] from one normal to another (mean and log-variance [S, B, L]) by its standard scores."""
    (mean, log_variance), (new_mean, new_log_variance) = source, target
    scale = ((new_log_variance - log_variance) / 2).exp()
    return new_mean.unsqueeze(1) + scale.unsqueeze(1) * (z - mean.unsqueeze(1))
