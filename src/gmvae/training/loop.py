"""The training loop: all seeds of a run at once, each as if it were alone."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, Rows, at_step, make_batch, select_rows
from gmvae.nn.inference import cluster_rows, row_terms
from gmvae.nn.objective import loss, objective
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.nn.row_order import epoch_order
from gmvae.nn.views import draw_views, make_view
from gmvae.training.graph_capture import Block, Steps, place_rows
from gmvae.training.guide import guide_labels
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

NOISE_BLOCK = 64  # steps whose noise is drawn, and whose terms are checked, at once
OCCUPANCY_ROWS = 2000


def train_to_end(
    state: TrainingState, rows: Rows, training: Training, after_step: Callable[[int], None] = lambda steps: None
) -> None:
    """Train from the current state to the end: until all epochs are done, or every seed has ended.

    Args:
        state: The run, at any step; it is changed in place, and `state.history` is the result beside the weights.
        rows: The training rows, on the model's device; labels are -1 where hidden.
        training: The training settings.
        after_step: Called after each step with the number of steps of an epoch. An exception that it raises ends the
            training; another call goes on from the state then.
    """
    rows, steps = place_rows(rows), Steps()
    while state.epoch < training.epochs and state.active_seeds():
        if state.step == 0:
            begin_epoch(state, rows, training)
        seen = rows if state.label is None else rows._replace(label=state.label)
        train_epoch(state, seen, training, steps, after_step)
        end_epoch(state, rows, training)
    freeze_variance(state.model, rows, state.seeds)
    state.model.conclude(rows)


def begin_epoch(state: TrainingState, rows: Rows, training: Training) -> None:
    """Prepare an epoch: the labels of its phase, and what the model computes from all rows."""
    model, epoch = state.model, state.epoch
    phase = training.phase(epoch)
    if phase == "guide" and training.phase(epoch - 1) != "guide" and model.has_components:
        state.label = guide_labels(model, rows, state.seeds, training.guide)
    if phase == "free":
        state.label = None
    state.remember_epoch_start()
    if epoch == training.autoencode_epochs:
        model.initialise(rows, state.seeds)
    if epoch >= training.autoencode_epochs:
        model.refresh(rows)


def train_epoch(
    state: TrainingState, rows: Rows, training: Training, steps: Steps, after_step: Callable[[int], None]
) -> None:
    """Take the remaining steps of an epoch; the state's totals are then the mean of every term over the rows."""
    model, n, phase = state.model.train(), rows.label.shape[1], training.phase(state.epoch)
    label_weight, kl_weight = training.label_weight_in(phase), training.kl_weight(state.epoch) * model.kl_weight
    information = training.information if phase == "free" else 0.0
    views = training.views_in(phase, bool((rows.label[0] >= 0).any())) if model.takes_views else None

    def weighted_loss(terms: dict[str, Tensor], batch: Batch) -> Tensor:
        return loss(terms, batch, kl_weight, label_weight, information)  # S

    def step_at(block: Block, position: Tensor | int) -> Tensor:
        batch = batch_at(rows, block, position, views)
        return step_once(state, training, weighted_loss, n, steps.names, batch)

    steps.prepare(step_at, (phase, label_weight, kl_weight, information, views), model, rows, views)
    for step, n_steps, block, position in epoch_steps(rows, training, state.draws, model.n_noise, state.step, views):
        state.optimizer.rate.fill_(training.learning_rate_at((state.epoch + step / n_steps) / training.epochs))
        state.add_step(steps.names, steps.take(block, position))  # T, S; the first call fills `steps.names`
        state.step = step + 1
        if len(state.recent) == NOISE_BLOCK or state.step == n_steps:
            state.end_diverged_seeds()
        after_step(n_steps)


def step_once(
    state: TrainingState,
    training: Training,
    weighted_loss: Callable[[dict[str, Tensor], Batch], Tensor],
    n: int,
    names: list[str],
    batch: Batch,
) -> Tensor:
    """Take one step. Nothing is read back from the device, so that a GPU can replay the step.

    Args:
        state: The run; its model and optimiser are changed.
        training: The training settings.
        weighted_loss: The loss of each seed, [S], from the terms and the batch.
        n: Number of training rows.
        names: Becomes the names of the terms, the loss last.
        batch: The rows of the step.

    Returns:
        What the step adds to the totals of the terms and of the loss, [T, S].
    """
    state.optimizer.clear_gradients()
    with autocast_products(batch.noise.device, training.precision):
        terms = state.model.terms(batch)
    losses = weighted_loss(terms, batch)  # S
    losses.sum().backward()
    if training.clip:
        clip_gradients(state.model, training.clip)
    state.optimizer.take_step()
    names[:] = [*terms, "loss"]
    with torch.no_grad():
        parts = [(batch.weight * value).sum(-1) / n for value in terms.values()]
        return torch.stack([*parts, batch.weight.sum(-1) / n * losses])


def end_epoch(state: TrainingState, rows: Rows, training: Training) -> None:
    """Finish an epoch: restore the seeds that ended in it, and write the others into the history."""
    state.end_seeds_with_bad_weights()
    active = state.active_seeds()
    state.restore_ended_seeds()
    occupancy = n_occupied_components(state.model, rows)
    state.history += [
        {"seed": state.seeds[s], "epoch": state.epoch + 1, "phase": training.phase(state.epoch)}
        | {name: float(value[s]) for name, value in state.totals.items()}
        | {"occupancy": int(occupancy[s]), "learning_rate": float(state.optimizer.rate)}
        for s in active
    ]
    if training.patience and training.patience_counts(state.epoch):
        objectives = objective(state.totals, state.model.kl_weight)  # S
        for s in active:
            state.statuses[s].record_objective(float(objectives[s]), training.patience, state.epoch + 1)
    state.epoch, state.step = state.epoch + 1, 0
    state.restore_totals({})


def autocast_products(device: torch.device, precision: str) -> torch.autocast:
    """The context of `model.terms`: with bfloat16 the networks' products and activations have that precision; their
    parameters, their outputs and all terms stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def epoch_steps(
    rows: Rows,
    training: Training,
    draws: dict[str, list[torch.Generator]],
    n_noise: int,
    first: int = 0,
    views: tuple[str, ...] | None = None,
) -> Iterator[tuple[int, int, Block, int]]:
    """The steps of an epoch from step `first` on: the step, the number of steps, its block and its place in the block.

    Random numbers are drawn for the earlier steps, too, so that the later steps get the same ones as always.
    """
    index, weight = epoch_order(rows.label, training.batch_size, draws["order"])  # S, steps, B
    steps, size = index.shape[1:]
    for start in range(0, steps, NOISE_BLOCK):
        stop = min(start + NOISE_BLOCK, steps)
        shape = (stop - start, training.n_samples, size, n_noise)
        noise = draw_normals(draws["noise"], *shape)  # S, block, k, B, n_noise
        view_draws = None if views is None else draw_views(draws["views"], views, *shape)
        block = Block(index[:, start:stop], weight[:, start:stop], noise, view_draws)
        for step in range(max(start, first), stop):
            yield step, steps, block, step - start


def batch_at(rows: Rows, block: Block, position: Tensor | int, views: tuple[str, ...] | None) -> Batch:
    """The batch of one step of a block, with views of these kinds unless None; `position` as in `at_step`."""
    index, weight, noise = (at_step(values, position) for values in (block.index, block.weight, block.noise))
    batch = make_batch(rows, index, noise, weight)
    view = None if views is None else make_view(rows, batch, views, block.views, position)
    return batch._replace(view=view)


def clip_gradients(model: LatentModel, largest: float) -> None:
    """Scale each seed's gradient to a norm of at most `largest`; the scale of a seed depends on no other seed."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    squares = sum(gradient.flatten(1).square().sum(-1) for gradient in gradients)  # S
    scale = (largest / squares.sqrt().clamp(min=1e-12)).clamp(max=1.0)
    for gradient in gradients:
        gradient *= scale.view(-1, *[1] * (gradient.dim() - 1))


def n_occupied_components(model: LatentModel, rows: Rows) -> Tensor:
    """How many components are the likeliest of some row, among the first 2,000 training rows, [S]; 0 without any."""
    if not model.has_components:
        return torch.zeros(rows.label.shape[0])
    first = select_rows(rows, torch.arange(min(OCCUPANCY_ROWS, rows.label.shape[1]), device=rows.device))
    clusters = cluster_rows(model, first, None).argmax(-1)  # S, N
    return torch.nn.functional.one_hot(clusters, rows.n_components).any(1).sum(-1)


def freeze_variance(model: LatentModel, rows: Rows, seeds: list[int]) -> None:
    """Fit the optimal variance of a normal likelihood on the training rows, if the model has one.

    At variance 1 the reconstruction is -(squared error + D log 2 pi) / 2, which gives the squared error.
    """
    if model.p.variance != "optimal" or model.p.name != "normal":
        return
    model.p.log_variance.zero_()
    rewards = row_terms(model, rows, make_generators(seeds, "variance", rows.device))["reconstruction"].mean(-1)  # S
    variance = -2 * rewards / model.p.n_features - math.log(2 * math.pi)
    model.p.log_variance.copy_(variance.clamp(min=1e-6).log()[:, None, None])
