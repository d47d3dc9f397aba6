"""The bias of each condition is added to the rows of that condition, and stays exact where products are rounded."""

import torch

from gmvae.nn.batches import one_hot
from gmvae.nn.layers import ConditionBias


def test_rows_get_the_bias_of_their_condition_with_and_without_draws():
    add_bias = ConditionBias(2, 3, 4)
    assert not add_bias.bias.any()
    torch.manual_seed(0)
    add_bias.bias.data = -8 + torch.randn(2, 3, 4)
    codes = torch.tensor([[0, 2, 1, 2, -1], [1, 1, 0, 2, 2]])  # the last row of the first seed has no condition
    h = torch.randn(2, 6, 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        shifted = add_bias(h, one_hot(codes, 3))
        of_means = add_bias(h[:, 0], one_hot(codes, 3))
    for s in range(2):
        for row, code in enumerate(codes[s]):
            expected = add_bias.bias[s, code] if code >= 0 else torch.zeros(4)
            assert torch.equal(shifted[s, :, row], h[s, :, row] + expected)
    assert torch.equal(of_means, shifted[:, 0])
