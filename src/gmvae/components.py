"""What models with components share: labels that are seen, and draws from one component or from all of them."""

import torch
from torch import Tensor


def seen(label: Tensor, q_y: Tensor) -> Tensor:
    """The one-hot label where it is seen (not all zeros), the probabilities q_y elsewhere, [..., K] both."""
    return torch.where(label.sum(-1, keepdim=True) > 0, label, q_y)


def chosen(component: int | None, n: int, p_y: Tensor, draws: list[torch.Generator]) -> Tensor:
    """The component of n rows a seed, [S, n]: the one asked for, or drawn from p(y), [S, K], where None is."""
    if component is not None:
        return torch.full((len(draws), n), component, device=p_y.device)
    uniform = torch.stack([torch.rand(n, 1, generator=g, device=g.device) for g in draws])  # S, n, 1
    return (uniform > p_y.cumsum(-1)[:, None, :-1]).sum(-1)


def of_component(values: Tensor, component: Tensor) -> Tensor:
    """The values of each row's component, [S, n, K, L] and [S, n] -> [S, n, L]."""
    index = component[..., None, None].expand(-1, -1, 1, values.shape[-1])
    return values.gather(2, index).squeeze(2)
