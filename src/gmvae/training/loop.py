"""The training loop: all seeds of a run at once, each as if it were alone."""

import math
from collections.abc import Callable, Iterator

import pandas as pd
import torch
from torch import Tensor, nn

from gmvae.nn.batches import Batch, Rows, epoch_order, make_batch, select_rows
from gmvae.nn.inference import cluster_rows, row_terms
from gmvae.nn.objective import loss, objective
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.training.guide import guide_labels
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

NOISE_BLOCK = 64  # steps whose noise is drawn, and whose terms are looked through, at once
OCCUPANCY_ROWS = 2000


def fit_model(model: nn.Module, rows: Rows, training: Training, seeds: list[int]) -> pd.DataFrame:
    """Train the model in place and return its history: one line per seed and epoch, every term unweighted.

    A model may have methods that see all training rows: `initialise(rows, seeds)`, called once when autoencoding
    ends, `refresh(rows)`, called before every epoch after that, and `conclude(rows)`, called after the last; and a
    number `kl_weight` of its own, which multiplies the schedule's. What it keeps beside parameters and buffers must be
    what checkpoints.py can hold.

    Args:
        model: with parameters for S seeds.
        rows: the training rows, on the model's device; labels are -1 where hidden.
        training: the settings.
        seeds: S values; each keys its own order of rows and noise.
    """
    state = TrainingState(model, training, seeds, rows.device)
    train_to_end(state, rows, training)
    return state.table()


def train_to_end(
    state: TrainingState, rows: Rows, training: Training, after_step: Callable[[int], None] = lambda steps: None
):
    """Train from wherever the state is to the end: all epochs, or every seed ended.

    `after_step` is called after each step with the number of steps of an epoch; what it raises ends the training, and
    the state then goes on from there.
    """
    while state.epoch < training.epochs and state.running():
        if state.step == 0:
            begin_epoch(state, rows, training)
        train_epoch(state, rows if state.label is None else rows._replace(label=state.label), training, after_step)
        end_epoch(state, rows, training)
    freeze_variance(state.model, rows, state.seeds)
    if hasattr(state.model, "conclude"):
        state.model.conclude(rows)


def begin_epoch(state: TrainingState, rows: Rows, training: Training) -> None:
    """What comes before the epoch's first step: the labels of its phase, and what the model makes of all rows."""
    model, epoch = state.model, state.epoch
    phase = training.phase(epoch)
    if phase == "guide" and training.phase(epoch - 1) != "guide" and model.has_components:
        state.label = guide_labels(model, rows, state.seeds)
    if phase == "free":
        state.label = None
    state.begin()
    if epoch == training.autoencode_epochs and hasattr(model, "initialise"):
        model.initialise(rows, state.seeds)
    if epoch >= training.autoencode_epochs and hasattr(model, "refresh"):
        model.refresh(rows)


def train_epoch(state: TrainingState, rows: Rows, training: Training, after_step: Callable[[int], None]) -> None:
    """The steps of an epoch that are left; the state's totals are then the mean of every term over the rows."""
    model, optimizer, totals = state.model.train(), state.optimizer, state.totals
    n, n_labelled = rows.label.shape[1], int((rows.label[0] >= 0).sum())
    label_weight = training.label_weight_for(training.phase(state.epoch), n, n_labelled)
    kl_weight = training.kl_weight(state.epoch) * getattr(model, "kl_weight", 1.0)
    for step, steps, batch in epoch_batches(rows, training, state.draws, model.n_noise, state.step):
        for group in optimizer.param_groups:
            group["lr"] = training.learning_rate_at((state.epoch + step / steps) / training.epochs)
        with autocast_products(rows.device, training.precision):
            found = model.terms(batch)
        losses = loss(found, kl_weight, label_weight, batch.weight)  # S
        optimizer.zero_grad()
        losses.sum().backward()
        if training.clip:
            clip_gradients(model, training.clip)
        optimizer.step()
        with torch.no_grad():
            added = {name: (batch.weight * value).sum(-1) / n for name, value in found.items()}
            added["loss"] = batch.weight.sum(-1) / n * losses
            for name, value in added.items():
                totals[name] = totals.get(name, 0) + value
        state.step = step + 1
        state.recent.append(added)
        if len(state.recent) == NOISE_BLOCK or state.step == steps:
            state.look()
        after_step(steps)


def end_epoch(state: TrainingState, rows: Rows, training: Training) -> None:
    """What comes after the epoch's last step: seeds that have ended stay as they were, the others enter the history."""
    state.look_at_weights()
    lasting = state.running()
    state.put_back()
    used = n_occupied_components(state.model, rows)
    state.history += [
        {"seed": state.seeds[s], "epoch": state.epoch + 1, "phase": training.phase(state.epoch)}
        | {name: float(value[s]) for name, value in state.totals.items()}
        | {"occupancy": int(used[s]), "learning_rate": state.optimizer.param_groups[0]["lr"]}
        for s in lasting
    ]
    if training.patience and training.settled(state.epoch):
        reached = objective(state.totals, getattr(state.model, "kl_weight", 1.0))  # S
        for s in lasting:
            state.standing[s].reach(float(reached[s]), training.patience, state.epoch + 1)
    state.epoch, state.step, state.totals = state.epoch + 1, 0, {}


def autocast_products(device: torch.device, precision: str) -> torch.autocast:
    """Where the precision is bfloat16, the networks' products and activations are; their parameters, their outputs and
    all terms stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def epoch_batches(
    rows: Rows, training: Training, draws: dict[str, list[torch.Generator]], n_noise: int, first: int = 0
) -> Iterator[tuple[int, int, Batch]]:
    """The batches of an epoch from its step `first` on, each with its number and that of all; numbers are drawn for
    the steps before, too, so that those after have their own."""
    index, weight = epoch_order(rows.label, training.batch_size, draws["order"])  # S, steps, B
    steps, size = index.shape[1:]
    for start in range(0, steps, NOISE_BLOCK):
        stop = min(start + NOISE_BLOCK, steps)
        shape = (stop - start, training.n_samples, size, n_noise)
        noise = draw_normals(draws["noise"], *shape)  # S, block, k, B, n_noise
        for step in range(max(start, first), stop):
            yield step, steps, make_batch(rows, index[:, step], noise[:, step - start], weight[:, step])


def clip_gradients(model: nn.Module, largest: float) -> None:
    """Scale each seed's gradient to a norm of at most `largest`; a seed's scale depends on no other seed."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    squares = sum(gradient.flatten(1).square().sum(-1) for gradient in gradients)  # S
    scale = (largest / squares.sqrt().clamp(min=1e-12)).clamp(max=1.0)
    for gradient in gradients:
        gradient *= scale.view(-1, *[1] * (gradient.dim() - 1))


def n_occupied_components(model: nn.Module, rows: Rows) -> Tensor:
    """How many components are the likeliest of some row, among the first 2,000 training rows, [S]; 0 without any."""
    if not model.has_components:
        return torch.zeros(rows.label.shape[0])
    first = select_rows(rows, torch.arange(min(OCCUPANCY_ROWS, rows.label.shape[1]), device=rows.device))
    chosen = cluster_rows(model, first, None).argmax(-1)  # S, N
    return torch.nn.functional.one_hot(chosen, rows.n_components).any(1).sum(-1)


def freeze_variance(model: nn.Module, rows: Rows, seeds: list[int]) -> None:
    """Fit the one optimal variance of a normal likelihood on the training rows, where the model has one.

    At variance 1 the reconstruction is -(squared error + D log 2 pi) / 2, which gives the error back.
    """
    if getattr(model.p, "variance", "") != "optimal" or model.p.name != "normal":
        return
    model.p.log_variance.zero_()
    rewards = row_terms(model, rows, make_generators(seeds, "variance", rows.device))["reconstruction"].mean(-1)  # S
    variance = -2 * rewards / model.p.n_features - math.log(2 * math.pi)
    model.p.log_variance.copy_(variance.clamp(min=1e-6).log()[:, None, None])
