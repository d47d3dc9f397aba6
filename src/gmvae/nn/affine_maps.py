"""Matrix products of S seeds at once.

On CPUs the large ones go to oneDNN, seed by seed: it chooses its kernels by what the processor can do, where the
batched product of PyTorch's wheels (MKL) is less than half as fast on processors of another make than its own. Both
compute in float32.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LARGE = 1 << 22  # multiplications of one seed's product above which the choice of kernels outweighs a call per seed
ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W + b of every seed, [S, N, n_in], [S, n_in, n_out] and [S, 1, n_out] -> [S, N, n_out]."""
    large = x.shape[1] * weight.shape[1] * weight.shape[2] > LARGE
    plain = x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    if ONEDNN and large and plain:
        return Affine.apply(x, weight, bias)
    return torch.baddbmm(bias, x, weight)


class Affine(torch.autograd.Function):
    """The affine map and its gradients by oneDNN."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """As `affine`."""
        ctx.save_for_backward(x, weight)
        return product_by_seed(x, weight.transpose(1, 2), bias.squeeze(1))

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x, the weight and the bias for that of the result [S, N, n_out]."""
        x, weight = ctx.saved_tensors
        of_x = product_by_seed(slope, weight) if ctx.needs_input_grad[0] else None
        return of_x, product_by_seed(x.transpose(1, 2), slope.transpose(1, 2)), slope.sum(1, keepdim=True)


def product_by_seed(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a bᵀ (+ bias) seed by seed, [S, n, m], [S, l, m] and [S, l] -> [S, n, l]."""
    found = None
    for s in range(len(a)):
        product = torch.ops.mkldnn._linear_pointwise(a[s], b[s], None if bias is None else bias[s], "none", [], "")
        if len(a) == 1:
            return product.unsqueeze_(0)
        found = product.new_empty(len(a), *product.shape) if found is None else found
        found[s] = product
    return found
