"""A bias of each condition, which a decoder of counts adds to its output: a condition has a profile of its own."""

import torch
from torch import Tensor, nn


class ConditionBias(nn.Module):
    """h + b_c, with a free row b_c for each condition, 0 at the start.

    Args:
        n_seeds: S.
        n_conditions: C.
        n_outputs: Length of h.
    """

    def __init__(self, n_seeds: int, n_conditions: int, n_outputs: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_seeds, n_conditions, n_outputs))  # S, C, n_outputs

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """h [S, B, n_outputs] or [S, k, B, n_outputs], and one-hot conditions [S, B, C] -> the shape of h."""
        with torch.autocast(h.device.type, enabled=False):  # a log profile in bfloat16 is off by some percent
            bias = condition @ self.bias
        return h + (bias if h.dim() == bias.dim() else bias.unsqueeze(1))
