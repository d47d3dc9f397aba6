"""The negative binomial of dense counts: the numbers of negative_binomial.py, by tensors of constant shape.

A GPU can replay such operations as one graph; on the CPU they are slower than those at the nonzero counts.

With the log of the ratio u = m / r: r log(1 + u) = r softplus(log u), and log u - log(1 + u) = log s(log u).
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid, pad, softplus
from torch.special import digamma, gammaln

from gmvae.nn.negative_binomial import TABLE, running_sums

EXACT = 40.0  # above it log(1 + exp(t)) is t in double precision


def has_static_form(x: Tensor) -> bool:
    """Whether the counts are scored by operations of constant shape: dense counts on a GPU are."""
    return x.device.type == "cuda" and not x.is_sparse


def log_dense_counts(h: Tensor, log_r: Tensor, logits: Tensor | None, x: Tensor) -> Tensor:
    """log p(x|h, r), summed over the features.

    Args:
        h: Output of the decoder for the mean, [S, k, B, D].
        log_r: Logs of the dispersions, [S, 1, D].
        logits: Output of the decoder for the probability of an added zero, [S, k, B, D]; None without zero inflation.
        x: Counts, dense, [S, B, D].

    Returns:
        Log probabilities in nats, [S, k, B].
    """
    size = x.sum(-1, keepdim=True).clamp(min=1).unsqueeze(1)  # S, 1, B, 1
    log_r, counts = log_r.unsqueeze(1), x.unsqueeze(1)
    log_ratio = h.log_softmax(-1) + size.log() - log_r
    loss = log_r.exp() * softplus(log_ratio, threshold=EXACT)
    at_counts = counts * logsigmoid(log_ratio) + LogChoices.apply(log_r.squeeze(1), x).unsqueeze(1) - loss
    if logits is None:
        return at_counts.sum(-1)
    of_zeros = softplus(-loss - logits, threshold=EXACT) - softplus(-logits, threshold=EXACT)
    return torch.where(counts == 0, of_zeros, at_counts - softplus(logits, threshold=EXACT)).sum(-1)


class LogChoices(torch.autograd.Function):
    """log Gamma(x + r) - log Gamma(r) - log x! = sum_{j < x} log((r + j) / (1 + j)); its gradient for log r is
    r (psi(x + r) - psi(r)) = sum_{j < x} r / (r + j)."""

    @staticmethod
    def forward(ctx, log_r: Tensor, x: Tensor) -> Tensor:
        """The logs [S, B, D] of log_r [S, 1, D] and counts [S, B, D]."""
        ctx.save_for_backward(log_r, x)
        r = log_r.exp()
        below = torch.arange(TABLE, dtype=r.dtype, device=r.device).unsqueeze(-1)
        large = gammaln(x + r) - gammaln(r) - gammaln(x + 1)
        return look_up(((r + below) / (1 + below)).log(), x, large)

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None]:
        """The gradient of log_r, given that of the logs [S, B, D]."""
        log_r, x = ctx.saved_tensors
        r = log_r.exp()
        below = torch.arange(TABLE, dtype=r.dtype, device=r.device).unsqueeze(-1)
        rises = look_up(r / (r + below), x, r * (digamma(x + r) - digamma(r)))
        return (rises * slope).sum(1, keepdim=True), None


def look_up(increments: Tensor, x: Tensor, large: Tensor) -> Tensor:
    """The sum of the first x increments [S, TABLE, D] for counts x [S, B, D] up to TABLE, and `large` for others."""
    sums = running_sums(pad(increments, (0, 0, 1, 0)))  # S, TABLE + 1, D
    return torch.where(x > TABLE, large, sums.gather(1, x.clamp(max=TABLE).long()))
