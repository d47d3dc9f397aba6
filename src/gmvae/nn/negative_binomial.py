"""The negative binomial of count matrices, most of whose entries are 0, with its gradients worked out by hand.

A row's means are m_i = M softmax(h)_i, M its library. With u = m / r,
    log NB(x; m, r) = -r log(1 + u) + x (log u - log(1 + u)) + log Gamma(x + r) - log Gamma(r) - log x!
so that a zero costs one logarithm, and everything else is needed at the nonzero counts only. There
    log Gamma(x + r) - log Gamma(r) - log x! = sum_{j < x} log((r + j) / (1 + j)),
a table of small counts, exact where the difference of two large log Gamma would not be.

Zero inflation with logits l scores a zero by log s(l) + log(1 + exp(t)) with t = -r log(1 + u) - l, hence
    softplus(t) - softplus(-l)  where x = 0,   -softplus(l) + log NB  elsewhere.

The gradients: with a = r / (r + m) and q = s(t) at inflated zeros, 1 elsewhere,
    m d/dm = -q m a + x a,    d/dl = [x = 0] (1 - q) - s(l),
    r d/dr = q (m a - r log(1 + u)) - x a + r (psi(x + r) - psi(r)).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus
from torch.special import digamma, gammaln

TABLE = 8  # counts up to this one are looked up


class Nonzero(NamedTuple):
    """The n nonzero counts of rows [S, B, D], at k draws each: where they stand in [S, k, B, D], and beside what."""

    value: Tensor  # n, 1
    seed: Tensor  # n
    feature: Tensor  # n
    row: Tensor  # n, k   among the S k B rows
    at: Tensor  # n, k   among the S k B D entries
    parameter: Tensor  # n   among the S D parameters


def find_nonzero(x: Tensor, k: int) -> Nonzero:
    """The nonzero counts of a matrix [S, B, D], dense or sparse (COO, coalesced)."""
    n_rows, n_features = x.shape[1:]
    seed, row, feature = x.indices() if x.is_sparse else x.nonzero(as_tuple=True)
    value = x.values() if x.is_sparse else x[seed, row, feature]
    first = seed * (k * n_rows) + row  # the row of the first draw
    rows = first.unsqueeze(-1) + n_rows * torch.arange(k, device=x.device)
    at = rows * n_features + feature.unsqueeze(-1)
    return Nonzero(value.unsqueeze(-1), seed, feature, rows, at, seed * n_features + feature)


def library_size(x: Tensor) -> Tensor:
    """The sum of a row's counts over the modelled genes, at least 1, [..., D], or sparse [S, B, D] -> [..., 1]."""
    if not x.is_sparse:
        return x.sum(-1, keepdim=True).clamp(min=1)
    seed, row, _ = x.indices()
    total = x.values().new_zeros(*x.shape[:2], 1)
    return add_at(total, seed * x.shape[1] + row, x.values()).clamp_(min=1)


def log_choices(counts: Nonzero, r: Tensor) -> Tensor:
    """log Gamma(x + r) - log Gamma(r) - log x! at the nonzero counts, r [S, D] -> [n, 1]."""
    below = torch.arange(TABLE, dtype=r.dtype, device=r.device).unsqueeze(-1)
    table = ((r.unsqueeze(1) + below) / (1 + below)).log().cumsum(1)  # S, TABLE, D
    return look_up(table, counts, r, lambda x, r: gammaln(x + r) - gammaln(r) - gammaln(x + 1))


def digamma_rises(counts: Nonzero, r: Tensor) -> Tensor:
    """psi(x + r) - psi(r) at the nonzero counts, r [S, D] -> [n, 1]."""
    below = torch.arange(TABLE, dtype=r.dtype, device=r.device).unsqueeze(-1)
    table = (r.unsqueeze(1) + below).reciprocal().cumsum(1)
    return look_up(table, counts, r, lambda x, r: digamma(x + r) - digamma(r))


def look_up(table: Tensor, counts: Nonzero, r: Tensor, function) -> Tensor:
    """The entries of a table [S, TABLE, D] at counts 1 to TABLE, function(count, r) at larger ones, [n, 1]."""
    value, n_features = counts.value.squeeze(-1), table.shape[-1]
    small = value.clamp(max=TABLE).long() - 1 + TABLE * counts.seed
    found = table.flatten().index_select(0, small * n_features + counts.feature)
    large = (value > TABLE).nonzero().squeeze(-1)
    found[large] = function(value[large], r.flatten().index_select(0, counts.parameter[large]))
    return found.unsqueeze(-1)


class LogCountProbability(torch.autograd.Function):
    """log p(x|h, r), summed over the features; in place wherever a buffer is its own, for passes over memory cost."""

    @staticmethod
    def forward(ctx, h: Tensor, log_r: Tensor, logits: Tensor | None, counts: Nonzero, size: Tensor) -> Tensor:
        """h and logits [S, k, B, D], log_r [S, 1, D], size (the library) [S, 1, B, 1] -> [S, k, B]."""
        r = log_r.exp().unsqueeze(1)  # S, 1, 1, D
        top = h.amax(-1, keepdim=True)
        mean = (h - top).exp_()
        total = mean.sum(-1, keepdim=True)
        mean.mul_(size / total)
        loss = torch.div(mean, r).log1p_().mul_(r)  # r log(1 + m / r), S, k, B, D
        to_log_mean = (size.log() - top - total.log()).flatten()
        log_ratio = (
            gather_flat(h, counts.at) + gather_flat(to_log_mean, counts.row) - gather_flat(log_r, counts.parameter)
        )
        log_sum = torch.log1p(gather_flat(mean, counts.at) / gather_flat(r, counts.parameter))
        there = counts.value * (log_ratio - log_sum) + log_choices(counts, r.flatten(0, 2))
        if logits is None:
            found = loss.sum(-1).neg_()
        else:
            zero = -loss - logits
            found = (softplus(zero) - softplus(-logits)).sum(-1)
            there -= (
                softplus(gather_flat(zero, counts.at)) + gather_flat(logits, counts.at) + gather_flat(loss, counts.at)
            )
        ctx.save_for_backward(r, mean, loss, logits, size)
        ctx.counts = counts
        return add_at(found, counts.row, there)

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of h, log_r and the logits for that of each row [S, k, B]."""
        r, mean, loss, logits, size = ctx.saved_tensors
        counts, slope_logits = ctx.counts, None
        share = torch.div(r, mean + r)  # a
        fall = mean * share  # minus d/dm m of a zero
        rise = loss - fall  # minus d/dr r of a zero
        if logits is not None:
            q = torch.sigmoid(-loss - logits)
            slope_logits = torch.sigmoid(-logits).sub_(q)
            add_at(slope_logits, counts.at, gather_flat(q, counts.at) - 1)
            slope_logits.mul_(slope.unsqueeze(-1))
            q.view(-1)[counts.at.flatten()] = 1
            fall.mul_(q)
            rise.mul_(q)
        there = counts.value * gather_flat(share, counts.at)  # x a
        slope_r = slope.flatten(1).unsqueeze(1).bmm(rise.flatten(1, 2)).neg_()  # S, 1, D
        steepness = gather_flat(r, counts.parameter) * digamma_rises(counts, r.flatten(0, 2)) - there
        add_at(slope_r, counts.parameter, (steepness * gather_flat(slope, counts.row)).sum(-1))
        add_at(fall, counts.at, -there)
        fall.addcmul_(mean, fall.sum(-1, keepdim=True) / size, value=-1)  # through the softmax
        return fall.mul_(-slope.unsqueeze(-1)), slope_r, slope_logits, None, None


def gather_flat(values: Tensor, at: Tensor) -> Tensor:
    """The entries of a flattened tensor at positions [n, k], or [n], which gives [n, 1]."""
    found = values.flatten().index_select(0, at.flatten())
    return found.view(at.shape if at.dim() > 1 else (-1, 1))


def add_at(values: Tensor, at: Tensor, more: Tensor) -> Tensor:
    """The values with `more` added in place at positions of the flattened tensor."""
    values.view(-1).index_add_(0, at.flatten(), more.flatten())
    return values
