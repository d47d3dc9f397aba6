"""The chain of affine maps and its gradients are those of PyTorch's own graph."""

from itertools import pairwise

import pytest
import torch

from gmvae.nn.affine import AffineChain
from gmvae.nn.layers import MLP
from gmvae.nn.random_streams import make_generators


def chain_inputs(sizes, rows=5, seeds=2):
    """Rows, and the weights and biases of the maps between layers of these sizes, in double precision."""
    torch.manual_seed(0)
    x = torch.randn(seeds, rows, sizes[0], dtype=torch.float64)
    parameters = []
    for n_in, n_out in pairwise(sizes):
        parameters += [torch.randn(seeds, size, n_out, dtype=torch.float64) for size in (n_in, 1)]
    return [tensor.requires_grad_() for tensor in (x, *parameters)]


@pytest.mark.parametrize("sizes", [(3, 4), (3, 4, 2), (3, 4, 5, 2)])
def test_the_gradients_are_those_of_finite_differences(sizes):
    assert torch.autograd.gradcheck(AffineChain.apply, chain_inputs(sizes))


def test_an_mlp_is_its_layers_one_after_the_other():
    network = MLP(make_generators([1, 2], "init"), 3, 6, 6, 2).double()
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    ours, plain = network(x), x
    for layer in network:
        plain = layer(plain)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(out.square().sum(), list(network.parameters())) for out in (ours, plain)]
    for own, autograd in zip(*gradients, strict=True):
        torch.testing.assert_close(own, autograd, rtol=1e-12, atol=1e-12)
