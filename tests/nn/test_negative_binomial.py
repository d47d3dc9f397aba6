"""The negative binomial of counts: large and small counts, sparse and dense rows, precision, gradients."""

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.special import gammaln
from torch.autograd import gradcheck

from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.negative_binomial import TABLE, find_nonzero, library_size, log_choices

N_SEEDS, K, B, D = 2, 3, 4, 5
SIZES = (0, 1, 2, TABLE - 1, TABLE, TABLE + 1, 60, 4000)


@pytest.fixture
def doubles():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def rows(seed=0):
    """Counts [S, B, D] of all sizes, a row of zeros among them."""
    counts = np.random.default_rng(seed).choice(SIZES, (N_SEEDS, B, D))
    counts[0, 1] = 0
    return torch.as_tensor(counts, dtype=torch.get_default_dtype())


def random_likelihood(name):
    torch.manual_seed(0)
    likelihood = Likelihood(name, N_SEEDS, D)
    likelihood.log_r.data.normal_()
    return likelihood, torch.randn(N_SEEDS, K, B, likelihood.n_outputs)


@pytest.mark.parametrize("name", ["negative_binomial", "zero_inflated_negative_binomial"])
def test_counts_of_all_sizes_are_scipy_s(name, doubles):
    x, (likelihood, h) = rows(), random_likelihood(name)
    r, mean = likelihood.log_r.exp().unsqueeze(1).detach(), library_size(x).unsqueeze(1) * h[..., :D].softmax(-1)
    expected = scipy.stats.nbinom.logpmf(x.unsqueeze(1).numpy(), r.numpy(), (r / (r + mean)).numpy())
    if name.startswith("zero"):
        zero = torch.sigmoid(h[..., D:]).numpy()
        expected = np.log(zero * (x.unsqueeze(1).numpy() == 0) + (1 - zero) * np.exp(expected))
    assert np.allclose(likelihood.log_prob(x, h).detach().numpy(), expected.sum(-1), rtol=1e-9)


@pytest.mark.parametrize("name", ["negative_binomial", "zero_inflated_negative_binomial"])
def test_gradients_of_weighted_rows_agree_with_finite_differences(name, doubles):
    x, (likelihood, h) = rows(), random_likelihood(name)
    weight = torch.rand(N_SEEDS, K, B)
    assert gradcheck(lambda h, _: weight * likelihood.log_prob(x, h), (h.requires_grad_(), likelihood.log_r))


@pytest.mark.parametrize("name", ["negative_binomial", "zero_inflated_negative_binomial"])
def test_sparse_and_dense_rows_give_the_same_bytes(name):
    x, (likelihood, h) = rows(), random_likelihood(name)
    values, gradients = [], []
    for form in (x, x.to_sparse()):
        likelihood.zero_grad()
        output = h.clone().requires_grad_()
        log_probability = likelihood.log_prob(form, output)
        log_probability.sum().backward()
        values.append(log_probability.detach())
        gradients.append((output.grad, likelihood.log_r.grad))
    assert torch.equal(*values)
    assert all(torch.equal(dense, sparse) for dense, sparse in zip(*gradients, strict=True))


def test_small_counts_are_precise_even_if_the_dispersion_is_large():
    """In float32 the difference of two log Gamma of 10^6 has an error of 1; the sum of logarithms is precise."""
    x = torch.arange(1.0, TABLE + 1).view(1, 1, -1)
    r = torch.full((1, TABLE), 1e6)
    count = x.double().flatten().numpy()
    exact = gammaln(count + 1e6) - gammaln(1e6) - gammaln(count + 1)
    values = log_choices(find_nonzero(x, 1), r).flatten()
    assert np.allclose(values.numpy(), exact, rtol=1e-6)


def test_the_likelihood_stays_float32_under_autocast():
    x, (likelihood, h) = rows(), random_likelihood("zero_inflated_negative_binomial")
    with torch.autocast("cpu", torch.bfloat16):
        rounded = likelihood.log_prob(x, h)
    assert rounded.dtype == torch.float32 and torch.equal(rounded, likelihood.log_prob(x, h))


def test_sparse_and_dense_rows_have_the_same_library_size():
    x = rows()
    assert torch.equal(library_size(x.to_sparse()), library_size(x)) and library_size(x).min() == 1
