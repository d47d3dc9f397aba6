"""The negative binomial over sparse counts: large and small counts, sparse and dense rows, precision, gradients."""

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
    found = torch.as_tensor(np.random.default_rng(seed).choice(SIZES, (N_SEEDS, B, D)), dtype=torch.get_default_dtype())
    found[0, 1] = 0
    return found


def of(name):
    torch.manual_seed(0)
    likelihood = Likelihood(name, N_SEEDS, D)
    likelihood.log_r.data.normal_()
    return likelihood, torch.randn(N_SEEDS, K, B, likelihood.n_outputs)


@pytest.mark.parametrize("name", ["negative_binomial", "zero_inflated_negative_binomial"])
def test_counts_of_all_sizes_are_scipy_s(name, doubles):
    x, (likelihood, h) = rows(), of(name)
    r, mean = likelihood.log_r.exp().unsqueeze(1).detach(), library_size(x).unsqueeze(1) * h[..., :D].softmax(-1)
    expected = scipy.stats.nbinom.logpmf(x.unsqueeze(1).numpy(), r.numpy(), (r / (r + mean)).numpy())
    if name.startswith("zero"):
        zero = torch.sigmoid(h[..., D:]).numpy()
        expected = np.log(zero * (x.unsqueeze(1).numpy() == 0) + (1 - zero) * np.exp(expected))
    assert np.allclose(likelihood.log_prob(x, h).detach().numpy(), expected.sum(-1), rtol=1e-9)


@pytest.mark.parametrize("name", ["negative_binomial", "zero_inflated_negative_binomial"])
def test_gradients_of_weighted_rows_agree_with_finite_differences(name, doubles):
    x, (likelihood, h) = rows(), of(name)
    weight = torch.rand(N_SEEDS, K, B)
    assert gradcheck(lambda h, _: weight * likelihood.log_prob(x, h), (h.requires_grad_(), likelihood.log_r))


@pytest.mark.parametrize("name", ["negative_binomial", "zero_inflated_negative_binomial"])
def test_sparse_rows_give_the_same_bytes(name):
    x, (likelihood, h) = rows(), of(name)
    values, gradients = [], []
    for form in (x, x.to_sparse()):
        likelihood.zero_grad()
        given = h.clone().requires_grad_()
        found = likelihood.log_prob(form, given)
        found.sum().backward()
        values.append(found.detach())
        gradients.append((given.grad, likelihood.log_r.grad))
    assert torch.equal(*values)
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_small_counts_keep_their_digits_beside_a_large_dispersion():
    """The difference of two log Gamma of 10^6 is known to 1 in float32; the sum of logarithms to all digits."""
    x = torch.arange(1.0, TABLE + 1).view(1, 1, -1)
    r = torch.full((1, TABLE), 1e6)
    count = x.double().flatten().numpy()
    exact = gammaln(count + 1e6) - gammaln(1e6) - gammaln(count + 1)
    found = log_choices(find_nonzero(x, 1), r).flatten()
    assert np.allclose(found.numpy(), exact, rtol=1e-6)


def test_the_likelihood_stays_float32_among_rounded_products():
    x, (likelihood, h) = rows(), of("zero_inflated_negative_binomial")
    with torch.autocast("cpu", torch.bfloat16):
        rounded = likelihood.log_prob(x, h)
    assert rounded.dtype == torch.float32 and torch.equal(rounded, likelihood.log_prob(x, h))


def test_the_library_of_sparse_rows_is_that_of_dense_ones():
    x = rows()
    assert torch.equal(library_size(x.to_sparse()), library_size(x)) and library_size(x).min() == 1
