"""Terms whose gradients are derived by hand: against finite differences and the plain formula."""

import torch
from torch.autograd import gradcheck
from torch.distributions import Dirichlet, kl_divergence

from gmvae.nn.divergences import kl_dirichlet, kl_normal, weighted_kl_normal
from gmvae.nn.likelihoods import log_bernoulli

S, DRAWS, B, K, L = 2, 3, 4, 5, 2


def normals(*shape):
    """Standard normals in double precision that take a gradient."""
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def mixture_inputs():
    torch.manual_seed(1)
    y = torch.rand(S, DRAWS, B, K, dtype=torch.float64, requires_grad=True)
    return y, normals(S, B, L), normals(S, B, L), normals(S, DRAWS, B, K, L), normals(S, DRAWS, B, K, L)


def test_the_weighted_divergence_is_the_sum_of_the_weighted_divergences():
    y, mean, log_variance, *prior = mixture_inputs()
    posterior = (moment[:, None, :, None] for moment in (mean, log_variance))
    plain = (y * kl_normal(*posterior, *prior)).sum(-1)
    torch.testing.assert_close(weighted_kl_normal(y, mean, log_variance, prior), plain, rtol=1e-12, atol=1e-12)


def test_the_gradients_of_the_weighted_divergence_are_those_of_finite_differences():
    assert gradcheck(lambda y, m, v, *prior: weighted_kl_normal(y, m, v, prior), mixture_inputs())


def test_the_gradient_of_the_dirichlets_divergence_is_that_of_finite_differences_and_of_torch():
    torch.manual_seed(2)
    a = (torch.rand(3, K, dtype=torch.float64) * 4 + 0.2).requires_grad_()
    b = torch.rand(K, dtype=torch.float64) + 0.5
    assert gradcheck(lambda a: kl_dirichlet(a, b), (a,))
    (own,) = torch.autograd.grad(kl_dirichlet(a, b).sum(), a)
    (other,) = torch.autograd.grad(kl_divergence(Dirichlet(a), Dirichlet(b.expand(3, K))).sum(), a)
    torch.testing.assert_close(own, other)


def test_the_gradient_of_the_bernoulli_is_that_of_finite_differences_and_large_logits_stay_exact():
    torch.manual_seed(3)
    x = torch.rand(S, 1, B, 6, dtype=torch.float64)
    assert gradcheck(lambda h: log_bernoulli(x, h), (normals(S, DRAWS, B, 6),))
    h = torch.tensor([-800.0, -30.0, 25.0, 39.0, 41.0, 800.0], dtype=torch.float64)
    for value in (0.0, 0.3, 1.0):
        expected = (value * torch.nn.functional.logsigmoid(h) + (1 - value) * torch.nn.functional.logsigmoid(-h)).sum()
        got = log_bernoulli(torch.full_like(h, value), h)
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
