"""The densities of the data: against SciPy, their limits, their gradients, and their behaviour at extreme values."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch.autograd import gradcheck

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS, LIKELIHOODS
from gmvae.nn.likelihoods import Likelihood, log_negative_binomial, log_zero_inflated
from gmvae.nn.negative_binomial import library_size
from gmvae.pipeline.errors import Refused

N_SEEDS, K, B, D = 2, 3, 4, 5


@pytest.fixture(autouse=True)
def doubles():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def counts(*shape):
    return torch.poisson(torch.full(shape, 3.0)) * (torch.rand(*shape) > 0.3)


def outputs(likelihood):
    return torch.randn(N_SEEDS, K, B, likelihood.n_outputs)


def random_likelihood(name, **settings):
    likelihood = Likelihood(name, N_SEEDS, D, **settings)
    for parameter in likelihood.parameters():
        parameter.data.normal_()
    return likelihood


def test_bernoulli_is_scipy_s_on_binary_values():
    likelihood, x = random_likelihood("bernoulli"), (torch.rand(N_SEEDS, B, D) > 0.5).double()
    h = outputs(likelihood)
    expected = scipy.stats.bernoulli.logpmf(x.unsqueeze(1).numpy(), torch.sigmoid(h).numpy()).sum(-1)
    assert np.allclose(likelihood.log_prob(x, h).numpy(), expected)


@pytest.mark.parametrize("variance", ["fixed", "learned"])
def test_normal_is_scipy_s(variance):
    likelihood, x = random_likelihood("normal", variance=variance), torch.randn(N_SEEDS, B, D)
    h = outputs(likelihood)
    sd = (likelihood.log_variance / 2).exp().unsqueeze(1).detach().numpy()
    expected = scipy.stats.norm.logpdf(x.unsqueeze(1).numpy(), h.numpy(), sd).sum(-1)
    assert np.allclose(likelihood.log_prob(x, h).detach().numpy(), expected)


def test_optimal_variance_maximises_the_batch_s_likelihood():
    likelihood, x, weight = (
        random_likelihood("normal", variance="optimal"),
        torch.randn(N_SEEDS, B, D),
        torch.ones(N_SEEDS, B),
    )
    h = outputs(likelihood)
    best = likelihood.train().log_prob(x, h, weight).sum((1, 2))
    likelihood.eval()
    optimum = likelihood.optimal_log_variance(x, h, weight).squeeze(1)
    for shift in (-0.1, 0.0, 0.1):
        likelihood.log_variance.copy_(optimum + shift)
        value = likelihood.log_prob(x, h).sum((1, 2))
        assert (value < best).all() if shift else torch.allclose(value, best)


def test_optimal_variance_ignores_rows_that_fill_the_batch():
    likelihood, x = random_likelihood("normal", variance="optimal"), torch.randn(N_SEEDS, B, D)
    h = outputs(likelihood)
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0]).expand(N_SEEDS, -1)
    moved = x.clone()
    moved[:, -1] += 100
    optimum = likelihood.optimal_log_variance(x, h, weight)
    assert torch.equal(optimum, likelihood.optimal_log_variance(moved, h, weight))


def scipy_negative_binomial(likelihood, x, h):
    mean = torch.exp(likelihood.log_mean(h, library_size(x).unsqueeze(1)))
    r = likelihood.log_r.exp().unsqueeze(1)
    return scipy.stats.nbinom.pmf(x.unsqueeze(1).numpy(), r.detach().numpy(), (r / (r + mean)).detach().numpy())


def test_negative_binomial_is_scipy_s():
    likelihood, x = random_likelihood("negative_binomial"), counts(N_SEEDS, B, D)
    h = outputs(likelihood)
    expected = np.log(scipy_negative_binomial(likelihood, x, h)).sum(-1)
    assert np.allclose(likelihood.log_prob(x, h).detach().numpy(), expected)


def test_zero_inflated_negative_binomial_is_the_mixture_of_scipy_s():
    likelihood, x = random_likelihood("zero_inflated_negative_binomial"), counts(N_SEEDS, B, D)
    h = outputs(likelihood)
    zero = torch.sigmoid(h[..., D:]).numpy()
    mixed = zero * (x.unsqueeze(1).numpy() == 0) + (1 - zero) * scipy_negative_binomial(likelihood, x, h)
    assert np.allclose(likelihood.log_prob(x, h).detach().numpy(), np.log(mixed).sum(-1))


def test_negative_binomial_tends_to_poisson():
    x, h = counts(N_SEEDS, B, D), torch.randn(N_SEEDS, K, B, D)
    log_probability = log_negative_binomial(x, h, torch.full((N_SEEDS, 1, D), 18.0))
    mean = library_size(x).unsqueeze(1) * h.softmax(-1)
    expected = scipy.stats.poisson.logpmf(x.unsqueeze(1).numpy(), mean.numpy()).sum(-1)
    assert np.allclose(log_probability.numpy(), expected, rtol=1e-5)


def test_zero_inflated_tends_to_negative_binomial():
    x, h, log_r = counts(N_SEEDS, B, D), torch.randn(N_SEEDS, K, B, D), torch.randn(N_SEEDS, 1, D)
    log_probability = log_zero_inflated(x, h, log_r, torch.full_like(h, -40.0))
    assert torch.allclose(log_probability, log_negative_binomial(x, h, log_r))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_mean_is_the_mean_of_the_density(name):
    """For counts: the sum of x p(x) over x, feature by feature."""
    likelihood = random_likelihood(name)
    h = torch.randn(N_SEEDS, 1, B, likelihood.n_outputs)
    size = torch.full((N_SEEDS, 1, B, 1), 20.0)
    mean = likelihood.mean(h, size)
    if name == "bernoulli":
        assert torch.allclose(mean, torch.sigmoid(h))
    elif name == "normal":
        assert torch.equal(mean, h)
    else:
        log_mean, r = likelihood.log_mean(h, size), likelihood.log_r.exp().unsqueeze(1)
        expected = scipy.stats.nbinom(r.detach(), (r / (r + log_mean.exp())).detach()).mean()
        if name == "zero_inflated_negative_binomial":
            expected = expected * (1 - torch.sigmoid(h[..., D:]).numpy())
        assert np.allclose(mean.detach().numpy(), expected)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_gradients_agree_with_finite_differences(name):
    likelihood = random_likelihood(name, variance="learned")
    x = counts(N_SEEDS, B, D) if name in COUNT_LIKELIHOODS else torch.rand(N_SEEDS, B, D)
    h = outputs(likelihood).requires_grad_()
    inputs = (h, *likelihood.parameters())
    assert gradcheck(lambda h, *_: likelihood.log_prob(x, h), inputs)


@pytest.mark.parametrize("name", COUNT_LIKELIHOODS)
@pytest.mark.parametrize("count", [0.0, 1e5])
@pytest.mark.parametrize("extreme", [-30.0, 30.0])
def test_counts_stay_finite_at_extremes(name, count, extreme):
    torch.set_default_dtype(torch.float32)
    likelihood = Likelihood(name, 1, D)
    likelihood.log_r.data.fill_(extreme / 3)
    h = torch.randn(1, 1, B, likelihood.n_outputs) * abs(extreme)
    h.requires_grad_()
    value = likelihood.log_prob(torch.full((1, B, D), count), h)
    value.sum().backward()
    assert torch.isfinite(value).all() and torch.isfinite(h.grad).all() and torch.isfinite(likelihood.log_r.grad).all()


def test_library_is_at_least_one():
    assert torch.equal(library_size(torch.zeros(1, 2, 3)), torch.ones(1, 2, 1))


@pytest.mark.parametrize(
    ("name", "variance", "message"),
    [("gauss", "fixed", "likelihood.*'gauss'.*bernoulli"), ("normal", "big", "variance.*'big'.*optimal")],
)
def test_unknown_names_are_refused(name, variance, message):
    with pytest.raises(Refused, match=message):
        Likelihood(name, 1, D, variance)
