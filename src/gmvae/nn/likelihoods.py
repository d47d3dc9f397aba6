"""The densities p(x|h) of the data given the decoder's output h, summed over the features.

- `bernoulli`: h are logits. On grey values it is a cross-entropy, not a density.
- `normal`: h is the mean. The variance is a setting: `fixed` at 1, `learned` (one per feature), or `optimal`, the one
  scalar that maximises the likelihood (Rybkin 2021): that of each batch during training, that of the whole training
  split afterwards.
- `negative_binomial`: counts with mean m = library · softmax(h) and variance m + m²/r, with one r per gene. The library
  is the sum of the row's counts over the modelled genes, at least 1; it is observed here, but latent in Lopez 2018.
- `zero_inflated_negative_binomial`: 0 with probability pi(h), else a draw from the negative binomial.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS, LIKELIHOODS
from gmvae.nn.dense_counts import has_static_form, log_dense_counts
from gmvae.nn.divergences import log_normal
from gmvae.nn.negative_binomial import LogCountProbability, find_nonzero, library_size
from gmvae.pipeline.errors import Refused

VARIANCES = ("fixed", "learned", "optimal")
EXACT = 40.0  # above it log(1 + exp(h)) is h in double precision


def log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """sum_i x_i log s(h_i) + (1 - x_i) log(1 - s(h_i)), where s is the logistic function.

    Args:
        x: Values in [0, 1], [..., D].
        logits: h, of a shape that broadcasts with x.

    Returns:
        Log probabilities in nats, [...].
    """
    return LogBernoulli.apply(x, logits)


class LogBernoulli(torch.autograd.Function):
    """sum_i x_i h_i - log(1 + exp(h_i)), with the gradient x - s(h) of h; x gets none."""

    @staticmethod
    def forward(ctx, x: Tensor, logits: Tensor) -> Tensor:
        """Log probabilities [...] of x and logits [..., D], where x broadcasts to the logits."""
        ctx.save_for_backward(x, logits)
        return (x * logits).sub_(softplus(logits, threshold=EXACT)).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[None, Tensor]:
        """The gradient of the logits, given that of the log probabilities [...]."""
        x, logits = ctx.saved_tensors
        return None, torch.sigmoid(logits).sub_(x).mul_(slope.neg().unsqueeze(-1))


def log_negative_binomial(x: Tensor, h: Tensor, log_r: Tensor) -> Tensor:
    """log NB(x; m, r) with m = library(x) · softmax(h).

    Args:
        x: Counts, dense or sparse, [S, B, D].
        h: Output of the decoder, [S, k, B, D].
        log_r: Logs of the dispersions, [S, 1, D].

    Returns:
        Log probabilities in nats, [S, k, B].
    """
    if has_static_form(x):
        return log_dense_counts(h, log_r, None, x)
    return LogCountProbability.apply(h, log_r, None, find_nonzero(x, h.shape[1]), library_size(x).unsqueeze(1))


def log_zero_inflated(x: Tensor, h: Tensor, log_r: Tensor, logits: Tensor) -> Tensor:
    """log of pi [x = 0] + (1 - pi) NB(x; m, r).

    Args:
        x: Counts, dense or sparse, [S, B, D].
        h: Output of the decoder for the mean, [S, k, B, D].
        log_r: Logs of the dispersions, [S, 1, D].
        logits: Output of the decoder for pi, [S, k, B, D].

    Returns:
        Log probabilities in nats, [S, k, B].
    """
    if has_static_form(x):
        return log_dense_counts(h, log_r, logits, x)
    return LogCountProbability.apply(h, log_r, logits, find_nonzero(x, h.shape[1]), library_size(x).unsqueeze(1))


class Likelihood(nn.Module):
    """p(x|h) with its own parameters, for S seeds; h are the decoder's `n_outputs` numbers per row.

    Args:
        name: One of LIKELIHOODS.
        n_seeds: S.
        n_features: D.
        variance: One of VARIANCES; for `normal` only.

    Raises:
        Refused: The name or the variance is unknown.
    """

    def __init__(self, name: str, n_seeds: int, n_features: int, variance: str = "fixed"):
        super().__init__()
        if name not in LIKELIHOODS:
            raise Refused(f"likelihood: found {name!r}; allowed: {', '.join(LIKELIHOODS)}")
        if variance not in VARIANCES:
            raise Refused(f"variance: found {variance!r}; allowed: {', '.join(VARIANCES)}")
        self.name, self.variance, self.n_features = name, variance, n_features
        self.n_outputs = n_features * (2 if name == "zero_inflated_negative_binomial" else 1)
        if name in COUNT_LIKELIHOODS:
            self.log_r = nn.Parameter(torch.zeros(n_seeds, 1, n_features))
        elif name == "normal" and variance == "learned":
            self.log_variance = nn.Parameter(torch.zeros(n_seeds, 1, n_features))
        elif name == "normal":
            self.register_buffer("log_variance", torch.zeros(n_seeds, 1, 1))

    def log_prob(self, x: Tensor, h: Tensor, weight: Tensor | None = None) -> Tensor:
        """log p(x|h).

        Args:
            x: Data, [S, B, D]; counts may be sparse.
            h: Output of the decoder, [S, k, B, n_outputs].
            weight: Weights of the rows of a training batch, [S, B]; the optimal variance is their weighted mean.

        Returns:
            Log densities in nats, [S, k, B].
        """
        if self.name == "bernoulli":
            return log_bernoulli(x.unsqueeze(1), h)
        if self.name == "normal":
            log_variance = self.log_variance.unsqueeze(1)
            if self.variance == "optimal" and self.training and weight is not None:
                log_variance = self.optimal_log_variance(x, h, weight)
            return log_normal(x.unsqueeze(1), h, log_variance.expand_as(h))
        if self.name == "negative_binomial":
            return log_negative_binomial(x, h, self.log_r)
        h, logits = h.split(self.n_features, -1)
        return log_zero_inflated(x, h, self.log_r, logits)

    def optimal_log_variance(self, x: Tensor, h: Tensor, weight: Tensor) -> Tensor:
        """The log of each seed's weighted mean squared error over rows and features.

        Args:
            x: Data, [S, B, D].
            h: Means, [S, k, B, D].
            weight: Weights of the rows, [S, B].

        Returns:
            The log-variance, [S, 1, 1, 1].

        Source: Rybkin et al. 2021.
        """
        errors = ((x.unsqueeze(1) - h) ** 2).mean((1, 3))  # S, B
        mean = (weight * errors).sum(-1) / weight.sum(-1)
        return mean.clamp(min=1e-6).log()[:, None, None, None]

    def log_mean(self, h: Tensor, library: Tensor) -> Tensor:
        """log of library · softmax(h), [..., n_outputs] and [..., 1] -> [..., D]."""
        return library.log() + h[..., : self.n_features].log_softmax(-1)

    def mean(self, h: Tensor, library: Tensor) -> Tensor:
        """E[x|h].

        Args:
            h: Output of the decoder, [..., n_outputs].
            library: Library sizes of the rows, [..., 1]; used for counts only.

        Returns:
            Means, [..., D].
        """
        if self.name == "bernoulli":
            return h.sigmoid()
        if self.name == "normal":
            return h
        mean = self.log_mean(h, library).exp()
        if self.name == "zero_inflated_negative_binomial":
            mean = mean * (-h[..., self.n_features :]).sigmoid()
        return mean
