"""The negative binomial for count matrices whose entries are mostly 0, with gradients derived by hand.

The means of a row are m_i = M softmax(h)_i, where M is its library size. With u = m / r,
    log NB(x; m, r) = -r log(1 + u) + x (log u - log(1 + u)) + log Gamma(x + r) - log Gamma(r) - log x!
so a zero needs one logarithm, and all other terms are needed at the nonzero counts only. There log u - log(1 + u) is
log s(log u), a is s(-log u), with the logistic function s, and
    log Gamma(x + r) - log Gamma(r) - log x! = sum_{j < x} log((r + j) / (1 + j)).
For small counts this sum comes from a table; it is exact, while the difference of two large log Gamma is not.

Zero inflation with logits l scores a zero by log s(l) + log(1 + exp(t)) with t = -r log(1 + u) - l, hence
    softplus(t) - softplus(-l)  where x = 0,   -softplus(l) + log NB  elsewhere.

The gradients, with a = r / (r + m), and q = s(t) where x = 0 is inflated, else 1:
    m d/dm = -q m a + x a,    d/dl = [x = 0] (1 - q) - s(l),
    r d/dr = q (m a - r log(1 + u)) - x a + r (psi(x + r) - psi(r)).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid, softplus
from torch.special import digamma, gammaln

TABLE = 8  # the largest count that is looked up in a table


class Nonzero(NamedTuple):
    """The n nonzero counts of rows [S, B, D], and their positions in tensors that have k draws per row."""

    value: Tensor  # n, 1
    seed: Tensor  # n
    feature: Tensor  # n
    row: Tensor  # n, k   among the S k B rows
    entry: Tensor  # n, k   among the S k B D entries
    parameter: Tensor  # n   among the S D parameters


def find_nonzero(x: Tensor, k: int) -> Nonzero:
    """The nonzero counts of a batch.

    Args:
        x: Counts, dense or sparse (COO, coalesced), [S, B, D].
        k: Number of draws per row.

    Returns:
        The counts and their positions.
    """
    n_rows, n_features = x.shape[1:]
    seed, row, feature = x.indices() if x.is_sparse else x.nonzero(as_tuple=True)
    value = x.values() if x.is_sparse else x[seed, row, feature]
    first = seed * (k * n_rows) + row  # the row of the first draw
    rows = first.unsqueeze(-1) + n_rows * torch.arange(k, device=x.device)
    entries = rows * n_features + feature.unsqueeze(-1)
    return Nonzero(value.unsqueeze(-1), seed, feature, rows, entries, seed * n_features + feature)


def library_size(x: Tensor) -> Tensor:
    """The sum of each row's counts over the modelled genes, at least 1.

    Args:
        x: Counts, dense [..., D] or sparse [S, B, D].

    Returns:
        Library sizes, [..., 1].
    """
    if not x.is_sparse:
        return x.sum(-1, keepdim=True).clamp(min=1)
    seed, row, _ = x.indices()
    total = x.values().new_zeros(*x.shape[:2], 1)
    return add_at(total, seed * x.shape[1] + row, x.values()).clamp_(min=1)


def log_choices(counts: Nonzero, r: Tensor) -> Tensor:
    """log Gamma(x + r) - log Gamma(r) - log x! at the nonzero counts, r [S, D] -> [n, 1]."""
    below = torch.arange(TABLE, dtype=r.dtype, device=r.device).unsqueeze(-1)
    table = running_sums(((r.unsqueeze(1) + below) / (1 + below)).log_())  # S, TABLE, D
    return look_up(table, counts, r, lambda x, r: gammaln(x + r) - gammaln(r) - gammaln(x + 1))


def digamma_rises(counts: Nonzero, r: Tensor) -> Tensor:
    """r (psi(x + r) - psi(r)) at the nonzero counts, r [S, D] -> [n, 1]."""
    below = torch.arange(TABLE, dtype=r.dtype, device=r.device).unsqueeze(-1)
    table = running_sums((r.unsqueeze(1) + below).reciprocal_()).mul_(r.unsqueeze(1))
    return look_up(table, counts, r, lambda x, r: r * (digamma(x + r) - digamma(r)))


def running_sums(table: Tensor) -> Tensor:
    """Add to each row of [S, n, D] the ones before it, in place; on a GPU `cumsum` may give other bytes each time."""
    for j in range(1, table.shape[1]):
        table[:, j] += table[:, j - 1]
    return table


def look_up(table: Tensor, counts: Nonzero, r: Tensor, function) -> Tensor:
    """The values of a table [S, TABLE, D] for counts 1 to TABLE, and function(count, r) for larger counts, [n, 1]."""
    value, n_features = counts.value.squeeze(-1), table.shape[-1]
    small = value.clamp(max=TABLE).long() - 1 + TABLE * counts.seed
    looked_up = table.flatten().index_select(0, small * n_features + counts.feature)
    large = (value > TABLE).nonzero().squeeze(-1)
    looked_up[large] = function(value[large], r.flatten().index_select(0, counts.parameter[large]))
    return looked_up.unsqueeze(-1)


class LogCountProbability(torch.autograd.Function):
    """log p(x|h, r), summed over the features; operations are in place if possible, because memory access is slow."""

    @staticmethod
    def forward(ctx, h: Tensor, log_r: Tensor, logits: Tensor | None, counts: Nonzero, size: Tensor) -> Tensor:
        """Log probabilities [S, k, B] of h and logits [S, k, B, D], log_r [S, 1, D] and library size [S, 1, B, 1]."""
        r = log_r.exp().unsqueeze(1)  # S, 1, 1, D
        top = h.amax(-1, keepdim=True)
        mean = (h - top).exp_()
        total = mean.sum(-1, keepdim=True)
        mean.mul_(size / total)
        loss = torch.div(mean, r).log1p_().mul_(r)  # r log(1 + u), S, k, B, D
        to_log_mean = (size.log() - top - total.log()).flatten()
        log_ratio = (
            gather_flat(h, counts.entry) + gather_flat(to_log_mean, counts.row) - gather_flat(log_r, counts.parameter)
        )
        at_counts = (counts.value * logsigmoid(log_ratio)).add_(log_choices(counts, r.flatten(0, 2)))
        if logits is None:
            of_zeros = loss.sum(-1).neg_()
        else:
            zero = -loss - logits
            of_zeros = (softplus(zero) - softplus(-logits)).sum(-1)
            at_counts -= (
                softplus(gather_flat(zero, counts.entry))
                + gather_flat(logits, counts.entry)
                + gather_flat(loss, counts.entry)
            )
        ctx.save_for_backward(r, mean, loss, logits, size, log_ratio)
        ctx.counts = counts
        return add_at(of_zeros, counts.row, at_counts)

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of h, log_r and the logits, given the gradient of each row's value [S, k, B]."""
        r, mean, loss, logits, size, log_ratio = ctx.saved_tensors
        counts, slope_logits = ctx.counts, None
        fall = torch.div(r, mean + r).mul_(mean)  # m a, minus d/dm m of a zero
        rise = loss - fall  # minus d/dr r of a zero
        if logits is not None:
            q = torch.sigmoid(-loss - logits)
            slope_logits = torch.sigmoid(-logits).sub_(q)
            add_at(slope_logits, counts.entry, gather_flat(q, counts.entry) - 1)
            slope_logits.mul_(slope.unsqueeze(-1))
            q.view(-1)[counts.entry.flatten()] = 1
            fall.mul_(q)
            rise.mul_(q)
        counts_share = torch.sigmoid(-log_ratio).mul_(counts.value)  # x a
        slope_r = slope.flatten(1).unsqueeze(1).bmm(rise.flatten(1, 2)).neg_()  # S, 1, D
        steepness = digamma_rises(counts, r.flatten(0, 2)) - counts_share
        add_at(slope_r, counts.parameter, (steepness * gather_flat(slope, counts.row)).sum(-1))
        add_at(fall, counts.entry, -counts_share)
        fall.addcmul_(mean, fall.sum(-1, keepdim=True) / size, value=-1)  # through the softmax
        return fall.mul_(-slope.unsqueeze(-1)), slope_r, slope_logits, None, None


def gather_flat(values: Tensor, positions: Tensor) -> Tensor:
    """The values of a flattened tensor at positions [n, k], or at positions [n] as [n, 1]."""
    gathered = values.flatten().index_select(0, positions.flatten())
    return gathered.view(positions.shape if positions.dim() > 1 else (-1, 1))


def add_at(values: Tensor, positions: Tensor, increments: Tensor) -> Tensor:
    """Add the increments in place at positions of the flattened tensor, and return the tensor."""
    values.view(-1).index_add_(0, positions.flatten(), increments.flatten())
    return values
