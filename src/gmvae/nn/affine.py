"""A chain of affine maps with ReLU between them, for S seeds, with gradients derived by hand.

PyTorch's own graph copies each bias over all rows before a product, and keeps what goes into each ReLU as well as what
comes out. Here the bias and the ReLU work in place on the product, and the backward pass in place on the gradient: with
h = relu(g), the gradient of g is that of h where h > 0.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class AffineChain(torch.autograd.Function):
    """x -> relu(x W_1 + b_1) -> ... -> x W_n + b_n."""

    @staticmethod
    def forward(ctx, x: Tensor, *parameters: Tensor) -> Tensor:
        """Outputs of the last map.

        Args:
            ctx: What the backward pass needs.
            x: [S, B, n_in].
            *parameters: W_1 [S, n_in, n_1], b_1 [S, 1, n_1], W_2, b_2, ...

        Returns:
            [S, B, n_out].
        """
        weights, biases = parameters[::2], parameters[1::2]
        inputs = [x]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            inputs.append(torch.bmm(inputs[-1], weight).add_(bias).relu_())
        ctx.save_for_backward(*inputs, *weights)
        return torch.bmm(inputs[-1], weights[-1]).add_(biases[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x and of the parameters, given the gradient of the outputs [S, B, n_out]."""
        n = len(ctx.saved_tensors) // 2
        inputs, weights = ctx.saved_tensors[:n], ctx.saved_tensors[n:]
        gradients: list[Tensor | None] = []
        for i in reversed(range(n)):
            gradients = [inputs[i].transpose(1, 2).bmm(slope), slope.sum(1, keepdim=True), *gradients]
            if i or ctx.needs_input_grad[0]:
                slope = slope.bmm(weights[i].transpose(1, 2))
            if i:
                torch.ops.aten.threshold_backward.grad_input(slope, inputs[i], 0, grad_input=slope)
        return slope if ctx.needs_input_grad[0] else None, *gradients
