"""Adam with decoupled weight decay: the fused kernel of PyTorch, called with lists that are made once.

`torch.optim.AdamW` sorts the parameters anew in every step, which takes as long as a small model's products.
"""

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """The optimiser of a model's parameters.

    Args:
        parameters: The parameters; a step leaves alone those without a gradient.
        weight_decay: The share of the learning rate by which a step shrinks each parameter.

    Attributes:
        rate: The learning rate of the next step, one number on the parameters' device, where a step reads it.
        state: The numbers of each parameter: `step`, `exp_avg` and `exp_avg_sq`.

    Source: Loshchilov & Hutter 2019.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], weight_decay: float = 0.0):
        self.parameters, self.weight_decay = parameters, weight_decay
        device = parameters[0].device
        self.rate = torch.zeros((), dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
        self.state: dict[torch.nn.Parameter, dict[str, Tensor]] = {
            parameter: {
                "step": torch.zeros((), dtype=torch.float32, device=device),
                "exp_avg": torch.zeros_like(parameter.detach()),
                "exp_avg_sq": torch.zeros_like(parameter.detach()),
            }
            for parameter in parameters
        }

    def clear_gradients(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def take_step(self) -> None:
        """Move every parameter that has a gradient; nothing is read from the device."""
        moved = [parameter for parameter in self.parameters if parameter.grad is not None]
        states = [self.state[parameter] for parameter in moved]
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            moved,
            [parameter.grad for parameter in moved],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            lr=self.rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
