"""The affine map of all seeds: the same numbers whichever library multiplies, and the right gradients."""

import pytest
import torch

from gmvae.nn import affine_maps

SHAPES = [(1, 7, 5, 3), (3, 7, 5, 3), (3, 4, 1, 6)]  # S, N, n_in, n_out


def given(shape, dtype=torch.float32):
    torch.manual_seed(0)
    n_seeds, n, n_in, n_out = shape
    sizes = [(n_seeds, n, n_in), (n_seeds, n_in, n_out), (n_seeds, 1, n_out)]
    return [torch.randn(size, dtype=dtype, requires_grad=True) for size in sizes]


@pytest.mark.parametrize("shape", SHAPES)
def test_large_products_and_their_gradients_are_those_of_small_ones(shape, monkeypatch):
    found = []
    for large in (1 << 30, 0):
        monkeypatch.setattr(affine_maps, "LARGE", large)
        inputs = given(shape)
        result = affine_maps.affine(*inputs)
        (result * torch.arange(result.numel()).view(result.shape)).sum().backward()
        found.append([result, *(tensor.grad for tensor in inputs)])
    for one, other in zip(*found, strict=True):
        assert one.shape == other.shape and torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def test_every_seed_s_product_is_its_own(monkeypatch):
    monkeypatch.setattr(affine_maps, "LARGE", 0)
    x, weight, bias = given((3, 7, 5, 3))
    together = affine_maps.affine(x, weight, bias)
    for s in range(3):
        assert torch.equal(together[s : s + 1], affine_maps.affine(*(t[s : s + 1] for t in (x, weight, bias))))
        assert torch.allclose(together[s], x[s] @ weight[s] + bias[s], atol=1e-5)


def test_other_precisions_go_the_common_way(monkeypatch):
    monkeypatch.setattr(affine_maps, "LARGE", 0)
    inputs = given((2, 4, 3, 2), torch.float64)
    assert torch.autograd.gradcheck(affine_maps.affine, inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert affine_maps.affine(*given((2, 4, 3, 2))).dtype == torch.bfloat16
