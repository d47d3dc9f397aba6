"""The optimiser takes the steps of torch.optim.AdamW."""

import torch

from gmvae.training.adam import Adam


def test_the_steps_are_those_of_torch_and_a_parameter_without_a_gradient_stays():
    torch.manual_seed(0)
    start = [torch.randn(2, 3), torch.randn(2, 1, 4), torch.ones(2, 2)]
    own, other = ([torch.nn.Parameter(tensor.clone()) for tensor in start] for _ in range(2))
    adam, reference = Adam(own, 0.01), torch.optim.AdamW(other, 1.0, weight_decay=0.01, fused=True)
    for step in range(5):
        adam.rate.fill_(1e-2 / (step + 1))
        reference.param_groups[0]["lr"] = 1e-2 / (step + 1)
        for parameters, optimizer in ((own, adam), (other, reference)):
            (parameters[0].square().sum() + (parameters[1] - step).pow(2).sum()).backward()
            optimizer.take_step() if optimizer is adam else optimizer.step()
            optimizer.clear_gradients() if optimizer is adam else optimizer.zero_grad()
    assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))
    assert torch.equal(own[2], start[2]) and adam.state[own[2]]["step"] == 0 and not torch.equal(own[0], start[0])
