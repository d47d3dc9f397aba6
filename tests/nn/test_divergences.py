"""The closed forms against torch.distributions, SciPy and Monte Carlo."""

import pytest
import scipy.special
import torch
from torch.distributions import Categorical, Dirichlet, Independent, Normal, kl_divergence

from gmvae.nn.divergences import (
    expected_kl_categorical,
    kl_categorical,
    kl_dirichlet,
    kl_normal,
    kl_standard_normal,
    log_beta,
    log_normal,
    mean_log_dirichlet,
    negative_entropy,
)

N_DRAWS = 400_000


@pytest.fixture(autouse=True)
def doubles():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def a_normal(*shape):
    mean, log_variance = torch.randn(*shape), torch.randn(*shape)
    return mean, log_variance, Independent(Normal(mean, (log_variance / 2).exp()), 1)


def monte_carlo(values):
    """The mean of the draws, and five times its standard error."""
    return float(values.mean()), 5 * float(values.std() / len(values) ** 0.5)


def test_log_normal_is_the_density_of_torch():
    mean, log_variance, q = a_normal(7, 3)
    z = torch.randn(7, 3)
    assert torch.allclose(log_normal(z, mean, log_variance), q.log_prob(z))
    standard = Independent(Normal(torch.zeros(7, 3), 1.0), 1)
    assert torch.allclose(log_normal(z), standard.log_prob(z))


def test_kl_normal_is_torch_s_and_its_monte_carlo_mean():
    (m, v, q), (n, u, p) = a_normal(5, 3), a_normal(5, 3)
    closed = kl_normal(m, v, n, u)
    assert torch.allclose(closed, kl_divergence(q, p))
    z = q.sample((N_DRAWS,))
    mean, error = monte_carlo((q.log_prob(z) - p.log_prob(z))[:, 0])
    assert abs(mean - float(closed[0])) < error


def test_kl_standard_normal_is_the_special_case():
    mean, log_variance, _ = a_normal(5, 3)
    zero = torch.zeros(5, 3)
    expected = kl_normal(mean, log_variance, zero, zero)
    assert torch.allclose(kl_standard_normal(mean, log_variance), expected)


def test_kl_categorical_is_torch_s_and_counts_zero_log_zero_as_zero():
    q, p = torch.rand(6, 4).softmax(-1), torch.rand(6, 4).softmax(-1)
    assert torch.allclose(kl_categorical(q, p.log()), kl_divergence(Categorical(q), Categorical(p)))
    one_hot = torch.eye(4)
    uniform = torch.full((4, 4), 0.25)
    assert torch.allclose(kl_categorical(one_hot, uniform.log()), torch.tensor(4.0).log())


def test_negative_entropy_has_a_finite_gradient_at_the_corner():
    q = torch.eye(3).requires_grad_()
    negative_entropy(q).sum().backward()
    assert torch.isfinite(q.grad).all()


def test_mean_log_dirichlet_is_its_monte_carlo_mean():
    a = torch.tensor([0.7, 2.0, 5.0])
    draws = Dirichlet(a).sample((N_DRAWS,)).log()
    for j in range(3):
        mean, error = monte_carlo(draws[:, j])
        assert abs(mean - float(mean_log_dirichlet(a)[j])) < error


def test_expected_kl_categorical_is_its_monte_carlo_mean():
    q, a = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.7, 2.0, 5.0])
    d = Dirichlet(a).sample((N_DRAWS,))
    mean, error = monte_carlo(kl_divergence(Categorical(q.expand_as(d)), Categorical(d)))
    assert abs(mean - float(expected_kl_categorical(q, a))) < error


def test_log_beta_is_scipy_s():
    a = torch.tensor([0.7, 2.5])
    assert float(log_beta(a)) == pytest.approx(scipy.special.betaln(0.7, 2.5))


def test_kl_dirichlet_is_torch_s():
    a, b = torch.rand(5, 4) * 5 + 0.1, torch.rand(5, 4) * 5 + 0.1
    assert torch.allclose(kl_dirichlet(a, b), kl_divergence(Dirichlet(a), Dirichlet(b)))


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_conjugate_dirichlet_closes_to_beta_functions(alpha):
    """With a = alpha + q, kl_y + kl_d = sum q log q + log B(alpha) - log B(alpha + q) (MODELS: gmdvae)."""
    prior, q = torch.full((5,), alpha), torch.randn(9, 5).softmax(-1)
    total = expected_kl_categorical(q, prior + q) + kl_dirichlet(prior + q, prior)
    closed = (q * q.log()).sum(-1) + log_beta(prior) - log_beta(prior + q)
    assert torch.allclose(total, closed)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_conjugate_dirichlet_is_optimal(alpha):
    prior, q = torch.full((5,), alpha), torch.randn(5).softmax(-1)

    def cost(a):
        return expected_kl_categorical(q, a) + kl_dirichlet(a, prior)

    best = cost(prior + q)
    for _ in range(50):
        assert cost((prior + q) * torch.exp(0.3 * torch.randn(5))) >= best


def test_dirichlet_layer_rewards_hard_assignments():
    """The layer adds to KL(q ‖ 1/K) a term that is >= 0, 0 for one-hot q, concave, and vanishes for large alpha."""

    def added(q, alpha):
        prior = torch.full((5,), alpha)
        return log_beta(prior) - log_beta(prior + q) - torch.tensor(5.0).log()

    q, p = torch.randn(200, 5).mul(3).softmax(-1), torch.randn(200, 5).softmax(-1)
    for alpha in (0.2, 1.0, 10.0):
        assert (added(q, alpha) >= -1e-9).all()
        assert torch.allclose(added(torch.eye(5), alpha), torch.zeros(5), atol=1e-9)
        assert (added((q + p) / 2, alpha) >= (added(q, alpha) + added(p, alpha)) / 2 - 1e-9).all()
    assert added(q, 1e6).abs().max() < 1e-5
