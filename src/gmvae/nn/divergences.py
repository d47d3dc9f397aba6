"""Densities and divergences in closed form. Normals are diagonal, given by mean and log-variance.

All functions sum over the last axis: L dimensions of a normal, K classes of a categorical or Dirichlet.

Sources: Kingma & Welling 2013, appendix B (normals); the Dirichlet's moments E[log d_j] = psi(a_j) - psi(sum a) and its
divergence follow from its exponential-family form; derivations in the thesis, chapter 3.
"""

import math

import torch
from torch import Tensor
from torch.special import digamma, gammaln


def log_normal(z: Tensor, mean: Tensor | float = 0.0, log_variance: Tensor | None = None) -> Tensor:
    """log N(z; mean, diag exp(log_variance)).

    Args:
        z: Points, [..., L].
        mean: Their means, [..., L]; 0 by default.
        log_variance: The logs of their variances, [..., L]; 0 by default.

    Returns:
        Log densities in nats, [...].
    """
    if log_variance is None:
        log_variance = torch.zeros_like(z)
    squares = (z - mean) ** 2 * (-log_variance).exp()
    return -0.5 * (squares + log_variance + math.log(2 * math.pi)).sum(-1)


def kl_normal(mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_log_variance: Tensor) -> Tensor:
    """KL( N(mean, exp(log_variance)) ‖ N(prior_mean, exp(prior_log_variance)) ).

    Args:
        mean: Means of the first normal, [..., L].
        log_variance: Logs of its variances, [..., L].
        prior_mean: Means of the second normal, [..., L].
        prior_log_variance: Logs of its variances, [..., L].

    Returns:
        Divergences in nats, [...].
    """
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
    """KL( Cat(q) ‖ Cat(p) ); 0 log 0 = 0.

    Args:
        q: Probabilities, [..., K].
        log_p: Log-probabilities, [..., K].

    Returns:
        Divergences in nats, [...].
    """
    return negative_entropy(q) - (q * log_p).sum(-1)


def mean_log_dirichlet(a: Tensor) -> Tensor:
    """E[log d] under Dir(a): psi(a_j) - psi(sum a), [..., K] -> [..., K]."""
    return digamma(a) - digamma(a.sum(-1, keepdim=True))


def expected_kl_categorical(q: Tensor, a: Tensor) -> Tensor:
    """E over d ~ Dir(a) of KL( Cat(q) ‖ Cat(d) ) = sum_j q_j (log q_j - psi(a_j) + psi(sum a)).

    Args:
        q: Probabilities, [..., K].
        a: Concentrations of the Dirichlet, [..., K].

    Returns:
        Expected divergences in nats, [...].
    """
    return negative_entropy(q) - (q * mean_log_dirichlet(a)).sum(-1)


def log_beta(a: Tensor) -> Tensor:
    """The log of the multivariate beta function, sum_j log Gamma(a_j) - log Gamma(sum a), [..., K] -> [...]."""
    return gammaln(a).sum(-1) - gammaln(a.sum(-1))


def kl_dirichlet(a: Tensor, b: Tensor) -> Tensor:
    """KL( Dir(a) ‖ Dir(b) ) = log B(b) - log B(a) + sum_j (a_j - b_j) E[log d_j].

    Args:
        a: Concentrations of the first Dirichlet, [..., K].
        b: Concentrations of the second, [..., K].

    Returns:
        Divergences in nats, [...].
    """
    return log_beta(b) - log_beta(a) + ((a - b) * mean_log_dirichlet(a)).sum(-1)
