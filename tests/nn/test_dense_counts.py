"""Dense counts have the probabilities and the gradients of the sparse form, and of SciPy."""

import pytest
import torch
from scipy.stats import nbinom

from gmvae.nn.dense_counts import log_dense_counts
from gmvae.nn.likelihoods import log_negative_binomial, log_zero_inflated

S, DRAWS, B, D = 2, 3, 5, 7


@pytest.fixture
def numbers():
    """h, log r and logits that take gradients, and counts of which some are above the table."""
    torch.manual_seed(0)
    h, logits = (torch.randn(S, DRAWS, B, D, dtype=torch.float64, requires_grad=True) for _ in range(2))
    log_r = torch.randn(S, 1, D, dtype=torch.float64, requires_grad=True)
    x = torch.poisson(torch.rand(S, B, D, dtype=torch.float64) * 3)
    x[:, 0, :2] = torch.tensor([30.0, 9.0])
    return h, log_r, logits, x


@pytest.mark.parametrize("inflated", [False, True])
def test_dense_and_sparse_forms_agree(numbers, inflated):
    h, log_r, logits, x = numbers
    inputs = [h, log_r, logits] if inflated else [h, log_r]
    dense = log_dense_counts(h, log_r, logits if inflated else None, x)
    sparse = log_zero_inflated(x, h, log_r, logits) if inflated else log_negative_binomial(x, h, log_r)
    torch.testing.assert_close(dense, sparse, rtol=1e-11, atol=1e-11)
    slope = torch.randn_like(dense)
    gradients = [torch.autograd.grad(out, inputs, slope) for out in (dense, sparse)]
    for own, other in zip(*gradients, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-11)


def test_the_probability_is_scipys(numbers):
    h, log_r, _, x = (tensor.detach() for tensor in numbers)
    mean = x.sum(-1, keepdim=True).unsqueeze(1) * h.softmax(-1)
    r = log_r.exp().unsqueeze(1)
    expected = nbinom.logpmf(x.unsqueeze(1), r, r / (r + mean)).sum(-1)
    torch.testing.assert_close(log_dense_counts(h, log_r, None, x), torch.as_tensor(expected))
