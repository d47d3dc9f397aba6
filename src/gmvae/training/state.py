"""All that changes while a model trains: what a checkpoint holds, and how each seed stands."""

import math
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from gmvae.nn.random_streams import generator_states, make_generators, restore_generators
from gmvae.training.schedule import Training

EXPLODED = 1e10  # nats a row: float32 has steps of 1,024 there, so that no difference that a step could make is seen


@dataclass
class SeedStatus:
    """How one seed stands; epochs are counted from 1."""

    best: float = -math.inf  # objective of the best epoch
    waited: int = 0  # epochs since then
    ended: str = ""  # finished: no better for long; diverged: at its last good state; "" while it trains
    epoch: int = 0  # in which it ended
    term: str = ""  # that diverged first

    def reach(self, objective: float, patience: int, epoch: int) -> None:
        """Note an epoch's objective; the seed has finished after `patience` epochs without a better one."""
        if objective > self.best:
            self.best, self.waited = objective, 0
            return
        self.waited += 1
        if self.waited >= patience:
            self.ended, self.epoch = "finished", epoch

    def diverge(self, term: str, epoch: int) -> None:
        """End the seed for a term that is not finite or absurdly large."""
        self.ended, self.epoch, self.term = "diverged", epoch, term


class TrainingState:
    """A run under way, from its first step to its last.

    Every tensor of two axes or more has the seeds first; one with fewer axes is shared by all seeds. So a seed is put
    back by its rows, and the others, computed in the same products, do not change by a bit.
    """

    def __init__(self, model: nn.Module, training: Training, seeds: list[int], device: torch.device | str = "cpu"):
        self.model, self.seeds, self.device = model, seeds, device
        self.optimizer = torch.optim.AdamW(
            model.parameters(), training.learning_rate, weight_decay=training.weight_decay, fused=True
        )
        for parameter in model.parameters():  # what the optimiser's first step would begin with
            moments = {name: torch.zeros_like(parameter.detach()) for name in ("exp_avg", "exp_avg_sq")}
            step = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self.optimizer.state[parameter] = {"step": step} | moments
        self.draws = {purpose: make_generators(seeds, purpose, device) for purpose in ("order", "noise")}
        self.standing = [SeedStatus() for _ in seeds]
        self.history: list[dict] = []
        self.epoch = 0  # epochs done
        self.step = 0  # steps done of the epoch under way
        self.label: Tensor | None = None  # S, N   while guided
        self.totals: dict[str, Tensor] = {}  # S   each term and the loss, the part of the epoch's mean so far
        self.recent: list[dict[str, Tensor]] = []  # S   what the steps since the last look added to the totals
        self.good: dict[str, Tensor] = {}  # tensors with a seed axis when the epoch began
        self.begun: dict[str, Tensor] = {}  # S, bytes   the generators' states when the epoch began

    def tensors(self) -> dict[str, Tensor]:
        """The model's parameters and buffers and the optimiser's numbers, by name; those in use, no copies."""
        named = dict(self.model.named_parameters())
        found = {f"model.{name}": tensor.detach() for name, tensor in named.items()}
        found |= {f"model.{name}": tensor for name, tensor in self.model.named_buffers()}
        for name, parameter in named.items():
            found |= {f"{key}.{name}": tensor for key, tensor in self.optimizer.state[parameter].items()}
        return found

    def begin(self) -> None:
        """Remember each seed as it is when an epoch begins."""
        self.good = {name: tensor.clone() for name, tensor in self.tensors().items() if tensor.dim() > 1}
        self.begun = {purpose: generator_states(own) for purpose, own in self.draws.items()}

    def rewind(self) -> None:
        """Put the generators back to where they were when the epoch began."""
        self.draws = {purpose: restore_generators(then, self.device) for purpose, then in self.begun.items()}

    def put_back(self) -> None:
        """Undo the epoch for every seed that has ended."""
        ended = [s for s, standing in enumerate(self.standing) if standing.ended]
        if ended:
            tensors = self.tensors()
            for name, good in self.good.items():
                tensors[name][ended] = good[ended]

    def running(self) -> list[int]:
        """The positions of the seeds that still train."""
        return [s for s, standing in enumerate(self.standing) if not standing.ended]

    def diverged(self) -> list[dict]:
        """Seed, epoch and term of those that diverged."""
        return [
            {"seed": seed, "epoch": standing.epoch, "term": standing.term}
            for seed, standing in zip(self.seeds, self.standing, strict=True)
            if standing.ended == "diverged"
        ]

    def look(self) -> None:
        """End every seed of which some total is not finite or absurdly large, by the first of its terms that was."""
        if self.recent and not_finite_or_huge(self.totals).any():
            steps = torch.stack(
                [not_finite_or_huge(step) for step in self.recent] + [not_finite_or_huge(self.totals)]
            )  # steps + 1, T, S
            for s in self.running():
                found = steps[:, :, s].nonzero()  # in the order of steps, then terms
                if len(found):
                    self.standing[s].diverge(list(self.totals)[found[0, 1]], self.epoch + 1)
        self.recent.clear()

    def look_at_weights(self) -> None:
        """End every seed that the last step left with a weight that is not finite."""
        sums = torch.stack([parameter.detach().flatten(1).sum(1) for parameter in self.model.parameters()])
        finite = sums.isfinite().all(0).tolist()
        for s in self.running():
            if not finite[s]:
                self.standing[s].diverge("weights", self.epoch + 1)

    def table(self) -> pd.DataFrame:
        """The history: one line per epoch and seed, as long as it trained."""
        return pd.DataFrame(self.history)


def not_finite_or_huge(terms: dict[str, Tensor]) -> Tensor:
    """Which of the terms, [S] each, are not finite or absurdly large, [T, S]."""
    return ~(torch.stack(list(terms.values())).abs() <= EXPLODED)  # NaN is not at most anything
