"""Everything that changes while a model trains: what a checkpoint saves, and the status of each seed."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.random_streams import generator_states, make_generators, restore_generators
from gmvae.training.adam import Adam
from gmvae.training.schedule import Training

EXPLODED = 1e10  # nats a row; above it float32 spacing is 1,024: a training step no longer changes the value


@dataclass
class SeedStatus:
    """How far one seed is; epochs are counted from 1.

    Args:
        best: Objective of its best epoch.
        waited: Epochs since the best one.
        ended: `finished` by patience, `diverged`, or empty while it trains.
        epoch: The epoch in which it ended.
        term: The term that diverged first.
    """

    best: float = -math.inf
    waited: int = 0
    ended: str = ""
    epoch: int = 0
    term: str = ""

    def record_objective(self, objective: float, patience: int, epoch: int) -> None:
        """Record the objective of an epoch, and end the seed after `patience` epochs without a better one."""
        if objective > self.best:
            self.best, self.waited = objective, 0
            return
        self.waited += 1
        if self.waited >= patience:
            self.ended, self.epoch = "finished", epoch

    def record_divergence(self, term: str, epoch: int) -> None:
        """End the seed because a term is not finite or too large."""
        self.ended, self.epoch, self.term = "diverged", epoch, term


class TrainingState:
    """A run in progress, from its first step to its last.

    Every tensor with two axes or more has the seeds first; one with fewer axes is shared by all seeds. So one seed is
    restored by its rows, and the others, computed in the same products, do not change by a bit.

    Args:
        model: With parameters for S seeds, on the device.
        training: The training settings.
        seeds: S values; each keys its own order of rows and noise.
        device: Where the model is.

    Attributes:
        history: One line for each epoch and seed.
        epoch: Epochs done.
        step: Steps done of the current epoch.
        label: Labels of the phase `guide`, [S, N]; None in other phases.
        names: The names of the terms of the current epoch's steps, the loss last; none before its first step.
        total: Each of them, summed over these steps as parts of its mean, [T, S].
        recent: What each step since the last check for divergence added to the totals, [T, S] each.
        epoch_tensors: The tensors with a seed axis, as they were when the epoch began.
        epoch_generators: The states of the random generators when the epoch began, [S, bytes] each.
    """

    def __init__(self, model: LatentModel, training: Training, seeds: list[int], device: torch.device | str = "cpu"):
        self.model, self.seeds, self.device = model, seeds, device
        self.optimizer = Adam(list(model.parameters()), training.weight_decay)
        self.draws = {purpose: make_generators(seeds, purpose, device) for purpose in ("order", "noise", "views")}
        self.statuses = [SeedStatus() for _ in seeds]
        self.history: list[dict] = []
        self.epoch = 0
        self.step = 0
        self.label: Tensor | None = None
        self.names: list[str] = []
        self.total: Tensor | None = None
        self.recent: list[Tensor] = []
        self.epoch_tensors: dict[str, Tensor] = {}
        self.epoch_generators: dict[str, Tensor] = {}

    @property
    def totals(self) -> dict[str, Tensor]:
        """The sums of the current epoch by name, [S] each."""
        return {} if self.total is None else dict(zip(self.names, self.total, strict=True))

    def add_step(self, names: list[str], values: Tensor) -> None:
        """Add what a step gives to the sums of the epoch, [T, S]."""
        if self.total is None:
            self.names, self.total = list(names), torch.zeros_like(values)
        self.total += values
        self.recent.append(values)

    def restore_totals(self, totals: dict[str, Tensor]) -> None:
        """Take up the sums of an epoch in its midst; without any, before its first step."""
        self.names, self.total = list(totals), None
        if totals:
            self.total = torch.stack(list(totals.values())).to(self.device)

    def tensors(self) -> dict[str, Tensor]:
        """The parameters and buffers of the model and the numbers of the optimiser, by name; no copies."""
        parameters = dict(self.model.named_parameters())
        tensors = {f"model.{name}": tensor.detach() for name, tensor in parameters.items()}
        tensors |= {f"model.{name}": tensor for name, tensor in self.model.named_buffers()}
        for name, parameter in parameters.items():
            tensors |= {f"{key}.{name}": tensor for key, tensor in self.optimizer.state[parameter].items()}
        return tensors

    def remember_epoch_start(self) -> None:
        """Copy each seed as it is when an epoch begins."""
        self.epoch_tensors = {name: tensor.clone() for name, tensor in self.tensors().items() if tensor.dim() > 1}
        self.epoch_generators = {purpose: generator_states(own) for purpose, own in self.draws.items()}

    def rewind_generators(self) -> None:
        """Restore the random generators as they were when the epoch began."""
        self.draws = {
            purpose: restore_generators(states, self.device) for purpose, states in self.epoch_generators.items()
        }

    def restore_ended_seeds(self) -> None:
        """Undo the current epoch for every seed that has ended."""
        ended = [s for s, status in enumerate(self.statuses) if status.ended]
        if ended:
            tensors = self.tensors()
            for name, values in self.epoch_tensors.items():
                tensors[name][ended] = values[ended]

    def active_seeds(self) -> list[int]:
        """The positions of the seeds that still train."""
        return [s for s, status in enumerate(self.statuses) if not status.ended]

    def diverged_seeds(self) -> list[dict]:
        """Seed, epoch and term of each seed that diverged."""
        return [
            {"seed": seed, "epoch": status.epoch, "term": status.term}
            for seed, status in zip(self.seeds, self.statuses, strict=True)
            if status.ended == "diverged"
        ]

    def end_diverged_seeds(self) -> None:
        """End every seed with a total that is not finite or too large, by the first of its terms that was."""
        if self.recent and not_finite_or_huge(self.total).any():
            steps = not_finite_or_huge(torch.stack([*self.recent, self.total]))  # steps + 1, T, S
            for s in self.active_seeds():
                places = steps[:, :, s].nonzero()  # in the order of steps, then terms
                if len(places):
                    self.statuses[s].record_divergence(self.names[places[0, 1]], self.epoch + 1)
        self.recent.clear()

    def end_seeds_with_bad_weights(self) -> None:
        """End every seed that has a weight that is not finite."""
        sums = torch.stack([parameter.detach().flatten(1).sum(1) for parameter in self.model.parameters()])
        finite = sums.isfinite().all(0).tolist()
        for s in self.active_seeds():
            if not finite[s]:
                self.statuses[s].record_divergence("weights", self.epoch + 1)


def not_finite_or_huge(terms: Tensor) -> Tensor:
    """Which of the terms are not finite or above EXPLODED."""
    return ~(terms.abs() <= EXPLODED)  # a comparison with NaN is false
