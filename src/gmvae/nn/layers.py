"""Networks for S seeds at once: every parameter has a leading seed axis S, and every matrix product is batched over it.

Each seed's weights are drawn from its own generator, in float64 and then rounded, so a seed starts from the same
weights whatever the other seeds and the precision are.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from gmvae.nn.affine import AffineChain


class Linear(nn.Module):
    """S affine maps x -> x W + b, initialised uniformly with variance 2 / (n_in + n_out).

    Args:
        generators: One for each seed.
        n_in: Number of inputs.
        n_out: Number of outputs.

    Source: Glorot & Bengio 2010.
    """

    def __init__(self, generators: list[torch.Generator], n_in: int, n_out: int):
        super().__init__()
        bound = math.sqrt(6 / (n_in + n_out))
        draws = [torch.rand(n_in, n_out, generator=g, dtype=torch.float64) for g in generators]
        weight = (2 * torch.stack(draws) - 1) * bound
        self.weight = nn.Parameter(weight.to(torch.get_default_dtype()))  # S, n_in, n_out
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, n_out))  # S, 1, n_out

    def forward(self, x: Tensor) -> Tensor:
        """[S, ..., n_in] -> [S, ..., n_out]."""
        flat = torch.baddbmm(self.bias, x.flatten(1, -2), self.weight)
        return flat.unflatten(1, x.shape[1:-1])


class LayerNorm(nn.Module):
    """Each row gets mean 0 and variance 1 over its features, then a scale and a shift that each seed learns.

    Args:
        n_seeds: S.
        n_features: Length of a row.

    Source: Ba et al. 2016.
    """

    def __init__(self, n_seeds: int, n_features: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_seeds, 1, n_features))
        self.shift = nn.Parameter(torch.zeros(n_seeds, 1, n_features))

    def forward(self, x: Tensor) -> Tensor:
        """[S, ..., n_features] -> the same shape."""
        normed = nn.functional.layer_norm(x, x.shape[-1:]).flatten(1, -2)
        return (self.shift + self.scale * normed).unflatten(1, x.shape[1:-1])


class Dropout(nn.Module):
    """In training a value becomes 0 with probability `rate` and is divided by 1 - rate otherwise; else it stays.

    Each seed draws its masks from a stream of its own, which starts from a number of its generator.

    Args:
        generators: One for each seed.
        rate: The probability of 0.
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
    """Affine maps with ReLU between them.

    Args:
        generators: One for each seed; they draw the weights.
        *sizes: (n_in, n_hidden, ..., n_out).
        layer_norm: Whether there is a LayerNorm before each ReLU.
        dropout: Rate of dropout after each ReLU; 0 for none.
        masks: Generators of the dropout masks, one for each seed.
    """

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
        self.is_chain = not layer_norm and not dropout
        self.maps = [layer for layer in self if isinstance(layer, Linear)]

    def forward(self, x: Tensor) -> Tensor:
        """[S, ..., n_in] -> [S, ..., n_out], in the parameters' precision even if the products are rounded."""
        if self.is_chain and not torch.is_autocast_enabled(x.device.type):
            parameters = [parameter for layer in self.maps for parameter in (layer.weight, layer.bias)]
            return AffineChain.apply(x.flatten(1, -2), *parameters).unflatten(1, x.shape[1:-1])
        return super().forward(x).to(self[-1].weight.dtype)


class Normal(nn.Module):
    """A network that returns the mean and log-variance of a diagonal normal.

    The log-variance is kept within ±LIMIT by a bound that is smooth and nearly the identity around 0: without it, an
    encoder may give variances that overflow early in training.

    Args:
        generators: One for each seed.
        *sizes: (n_in, n_hidden, ..., L).
        n_components: Number of normals, one for each component; 0 for a single normal without a component axis.
        **options: Those of `MLP`.
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


class ConditionBias(nn.Module):
    """h + b_c, with a free row b_c for each condition, 0 at the start: what a decoder of counts adds to its output h.

    A condition has a profile of its own.

    Args:
        n_seeds: S.
        n_conditions: C.
        n_outputs: Length of h.
    """

    def __init__(self, n_seeds: int, n_conditions: int, n_outputs: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_seeds, n_conditions, n_outputs))  # S, C, n_outputs

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """h [S, B, n_outputs] or [S, k, B, n_outputs], and one-hot conditions [S, B, C] -> the shape of h."""
        with torch.autocast(h.device.type, enabled=False):  # a log profile in bfloat16 is off by some percent
            bias = condition @ self.bias
        return h + (bias if h.dim() == bias.dim() else bias.unsqueeze(1))


def reparametrise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """The reparametrised draws mean + sd · noise.

    Args:
        mean: Means, [S, B, L].
        log_variance: Logs of the variances, [S, B, L].
        noise: Standard normal draws, [S, k, B, L].

    Returns:
        Draws, [S, k, B, L].
    """
    return mean.unsqueeze(1) + (log_variance / 2).exp().unsqueeze(1) * noise


def append_condition(h: Tensor, condition: Tensor) -> Tensor:
    """h with the condition appended to every row.

    Args:
        h: [S, B, n] or [S, k, B, n].
        condition: One-hot, [S, B, C].

    Returns:
        [S, B, n + C] or [S, k, B, n + C].
    """
    if h.dim() > condition.dim():
        condition = condition.unsqueeze(1).expand(-1, h.shape[1], -1, -1)
    return torch.cat([h, condition], -1)


def carry_over(z: Tensor, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
    """Move draws from one normal to another so that their standard scores stay the same.

    Args:
        z: Draws, [S, k, B, L].
        source: Mean and log-variance of the first normal, [S, B, L] each.
        target: Mean and log-variance of the second normal, [S, B, L] each.

    Returns:
        Moved draws, [S, k, B, L]; where both normals are the same, the draws themselves to the bit.
    """
    (mean, log_variance), (new_mean, new_log_variance) = source, target
    scale = ((new_log_variance - log_variance) / 2).exp()
    moved = new_mean.unsqueeze(1) + scale.unsqueeze(1) * (z - mean.unsqueeze(1))
    same = (new_mean == mean) & (new_log_variance == log_variance)
    return torch.where(same.unsqueeze(1), z, moved)
