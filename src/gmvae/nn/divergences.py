"""Densities and divergences in closed form. Normals are diagonal, given by mean and log-variance.

All functions sum over the last axis: L dimensions of a normal, K classes of a categorical or Dirichlet.

Sources: Kingma & Welling 2013, appendix B (normals); the Dirichlet's moments E[log d_j] = psi(a_j) - psi(sum a) and its
divergence follow from its exponential-family form; derivations in the thesis, chapter 3.
"""

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.special import digamma, gammaln, polygamma


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
        b: Concentrations of the second, [..., K]; they get no gradient.

    Returns:
        Divergences in nats, [...].
    """
    return DirichletDivergence.apply(a, b)


class DirichletDivergence(torch.autograd.Function):
    """KL( Dir(a) ‖ Dir(b) ). In its gradient all digammas cancel: (a_j - b_j) psi'(a_j) - (A - B) psi'(A), with the
    sums A and B of a and b."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor) -> Tensor:
        """Divergences [...] of concentrations a and b, [..., K]."""
        ctx.save_for_backward(a, b)
        return log_beta(b) - log_beta(a) + ((a - b) * mean_log_dirichlet(a)).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None]:
        """The gradient of a, given the gradient of the divergences [...]."""
        a, b = ctx.saved_tensors
        total = a.sum(-1, keepdim=True)
        of_total = (total - b.sum(-1, keepdim=True)) * polygamma(1, total)
        return (a - b).mul_(polygamma(1, a)).sub_(of_total).mul_(slope.unsqueeze(-1)), None


def weighted_kl_normal(y: Tensor, mean: Tensor, log_variance: Tensor, prior: tuple[Tensor, Tensor]) -> Tensor:
    """sum_j y_j KL( N(mean, exp(log_variance)) ‖ N(prior_mean_j, exp(prior_log_variance_j)) ).

    Args:
        y: Weights of the K components, [S, k, B, K].
        mean: Means of the normal, [S, B, L].
        log_variance: Logs of its variances, [S, B, L].
        prior: Means of the components and logs of their variances, [S, k, B, K, L] each.

    Returns:
        Weighted divergences in nats, [S, k, B].
    """
    return WeightedNormalDivergence.apply(y, mean, log_variance, *prior)


class WeightedNormalDivergence(torch.autograd.Function):
    """sum_j y_j KL_j of one normal from K others.

    With the ratio e = exp(log_variance - prior_log_variance), the distance d = mean - prior_mean, and s = d divided by
    the prior variance, KL_j is the sum of (e - 1 - log e + d s) / 2.
    """

    @staticmethod
    def forward(ctx, y: Tensor, mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_log_variance: Tensor):
        """Weighted divergences [S, k, B]; shapes as in `weighted_kl_normal`."""
        mean, variance = mean[:, None, :, None], log_variance.exp()[:, None, :, None]  # S, 1, B, 1, L
        precision = prior_log_variance.neg().exp_()  # S, k, B, K, L
        distance = mean - prior_mean
        misfit = torch.addcmul(variance, distance, distance).mul_(precision)  # e + d s
        constant = log_variance.sum(-1)[:, None, :, None] + log_variance.shape[-1]
        divergence = (misfit.sum(-1) + prior_log_variance.sum(-1)).sub_(constant).mul_(0.5)  # S, k, B, K
        ctx.save_for_backward(y, variance, precision, distance, misfit, divergence)
        return (y * divergence).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor, ...]:
        """The gradients of all arguments, given the gradient of the divergences [S, k, B]."""
        y, variance, precision, distance, misfit, divergence = ctx.saved_tensors
        slope = slope.unsqueeze(-1)
        weight = y * slope  # S, k, B, K
        precision = precision * weight.unsqueeze(-1)
        of_log_variance = precision.sum((1, 3)).mul_(variance[:, 0, :, 0]).sub_(weight.sum((1, 3)).unsqueeze(-1))
        of_prior_mean = precision.mul_(distance).neg_()
        of_prior_log_variance = torch.sub(1, misfit).mul_(weight.mul(0.5).unsqueeze(-1))
        of_mean = of_prior_mean.sum((1, 3)).neg_()
        return divergence * slope, of_mean, of_log_variance.mul_(0.5), of_prior_mean, of_prior_log_variance
