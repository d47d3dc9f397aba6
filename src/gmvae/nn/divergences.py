"""Densities and divergences in closed form. Normals are diagonal, given by mean and log-variance.

All sum over the last axis.

Sources: Kingma & Welling 2013, appendix B (normals); the Dirichlet's moments E[log d_j] = psi(a_j) - psi(sum a) and its
divergence follow from its exponential-family form; derivations in the thesis, chapter 3.
"""

import math

import torch
from torch import Tensor
from torch.special import digamma, gammaln


def log_normal(z: Tensor, mean: Tensor | float = 0.0, log_variance: Tensor | None = None) -> Tensor:
    """log N(z; mean, diag exp(log_variance)), [..., L] -> [...]; the standard normal by default."""
    if log_variance is None:
        log_variance = torch.zeros_like(z)
    squares = (z - mean) ** 2 * (-log_variance).exp()
    return -0.5 * (squares + log_variance + math.log(2 * math.pi)).sum(-1)


def kl_normal(mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_log_variance: Tensor) -> Tensor:
    """KL( N(mean, exp(log_variance)) ‖ N(prior_mean, exp(prior_log_variance)) ), [..., L] -> [...]."""
    ratio = log_variance - prior_log_variance
    squares = (mean - prior_mean) ** 2 * (-prior_log_variance).exp()
    return 0.5 * (ratio.exp() - 1 - ratio + squares).sum(-1)


def kl_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL( N(mean, exp(log_variance)) ‖ N(0, I) ), [..., L] -> [...]."""
    return 0.5 * (log_variance.exp() - 1 - log_variance + mean**2).sum(-1)


def negative_entropy(q: Tensor) -> Tensor:
    """sum_j q_j log q_j, [..., K] -> [...]; 0 log 0 = 0, with a finite gradient there."""
    return (q * q.clamp(min=torch.finfo(q.dtype).tiny).log()).sum(-1)


def kl_categorical(q: Tensor, log_p: Tensor) -> Tensor:
    """KL( Cat(q) ‖ Cat(p) ) from probabilities q and log-probabilities log_p, [..., K] -> [...]; 0 log 0 = 0."""
    return negative_entropy(q) - (q * log_p).sum(-1)


def mean_log_dirichlet(a: Tensor) -> Tensor:
    """E[log d] under Dir(a): psi(a_j) - psi(sum a), [..., K] -> [..., K]."""
    return digamma(a) - digamma(a.sum(-1, keepdim=True))


def expected_kl_categorical(q: Tensor, a: Tensor) -> Tensor:
    """E over d ~ Dir(a) of KL( Cat(q) ‖ Cat(d) ) = sum_j q_j (log q_j - psi(a_j) + psi(sum a)), [..., K] -> [...]."""
    return negative_entropy(q) - (q * mean_log_dirichlet(a)).sum(-1)


def log_beta(a: Tensor) -> Tensor:
    """The log of the multivariate beta function, sum_j log Gamma(a_j) - log Gamma(sum a), [..., K] -> [...]."""
    return gammaln(a).sum(-1) - gammaln(a.sum(-1))


def kl_dirichlet(a: Tensor, b: Tensor) -> Tensor:
    """KL( Dir(a) ‖ Dir(b) ) = log B(b) - log B(a) + sum_j (a_j - b_j) E[log d_j], [..., K] -> [...]."""
    return log_beta(b) - log_beta(a) + ((a - b) * mean_log_dirichlet(a)).sum(-1)
