"""Synthetic rows of the shapes of known datasets, and trainings on them; needs only PyTorch and NumPy."""

import importlib
import time
from typing import NamedTuple

import numpy as np
import torch

from gmvae.nn.batches import Rows
from gmvae.nn.row_storage import CsrLayout, CsrRows
from gmvae.training.loop import train_to_end
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

COMPONENTS = 10


class Shape(NamedTuple):
    """A dataset's shape, and the run on it."""

    rows: int
    features: int
    likelihood: str
    hidden: int
    batch_size: int


SHAPES = {
    "digits": Shape(1438, 64, "bernoulli", 128, 128),
    "images": Shape(60_000, 784, "bernoulli", 256, 256),
    "cells 10,000 x 2,000": Shape(10_000, 2_000, "negative_binomial", 128, 128),
    "cells 18,641 x 1,200": Shape(18_641, 1_200, "negative_binomial", 128, 128),
}


class Run(NamedTuple):
    """What a training took and left."""

    seconds: float
    rows: int  # shown to the model, counted once for each seed
    steps: int
    weights: bytes
    losses: list[float]


def synthetic_rows(shape: Shape, n_seeds: int, device: torch.device) -> Rows:
    """Random rows of a shape: grey values, or counts of which about 7 % are not 0.

    Args:
        shape: The shape.
        n_seeds: S.
        device: Where the rows are kept.

    Returns:
        The rows, without labels and conditions.
    """
    draws = np.random.default_rng(0)
    if shape.likelihood == "bernoulli":
        x = target = torch.as_tensor(draws.random((shape.rows, shape.features), np.float32), device=device)
    else:
        x, target = synthetic_counts(shape, draws, device)
    hidden = torch.full((shape.rows,), -1, device=device)
    return Rows(x, target, hidden, hidden.expand(n_seeds, -1), 0, COMPONENTS)


def synthetic_counts(shape: Shape, draws: np.random.Generator, device: torch.device) -> tuple[CsrRows, CsrRows]:
    """Poisson counts of genes with uneven means, and their log(1 + count), with one layout."""
    shares = draws.gamma(0.3, size=shape.features)
    means = 0.1 * shape.features * shares / shares.sum()
    counts = draws.poisson(means, size=(shape.rows, shape.features)).astype(np.uint8)
    length = np.count_nonzero(counts, axis=1)
    start, feature = np.cumsum(length) - length, counts.nonzero()[1].astype(np.int32)
    layout = CsrLayout(*(torch.as_tensor(array, device=device) for array in (start, length, feature)), shape.features)
    values = torch.as_tensor(counts[counts > 0], device=device)
    return CsrRows(layout, values.float().log1p()), CsrRows(layout, values)


def time_training(
    shape: Shape, module: str, n_seeds: int, device: torch.device, rows: Rows, epochs: int, warm: int
) -> Run:
    """Train a model, and time it after some epochs that warm up.

    Args:
        shape: The shape of the rows.
        module: The file of the model.
        n_seeds: S.
        device: Where the model is trained.
        rows: The rows, from `synthetic_rows`.
        epochs: Epochs that are timed.
        warm: Epochs before them.

    Returns:
        The run.
    """
    state, training = start_state(shape, module, n_seeds, device, warm + epochs)
    started = [0.0]
    steps = -(-shape.rows // shape.batch_size)

    def start_clock(steps_of_epoch: int) -> None:
        if state.epoch == warm - 1 and state.step == steps_of_epoch:
            wait_for(device)
            started[0] = time.perf_counter()

    train_to_end(state, rows, training, start_clock)
    wait_for(device)
    seconds = time.perf_counter() - started[0]
    weights = b"".join(value.detach().cpu().numpy().tobytes() for value in state.model.state_dict().values())
    losses = [line["loss"] for line in state.history]
    return Run(seconds, epochs * shape.rows * n_seeds, epochs * steps, weights, losses)


def start_state(
    shape: Shape, module: str, n_seeds: int, device: torch.device, epochs: int
) -> tuple[TrainingState, Training]:
    """A run before its first step, and its settings."""
    seeds, sizes = list(range(n_seeds)), {"n_hidden": shape.hidden, "n_latent": 10, "n_layers": 2}
    model = importlib.import_module(f"gmvae.models.{module}").Model(
        shape.features, shape.likelihood, seeds, COMPONENTS, **sizes
    )
    training = Training(epochs=epochs, batch_size=shape.batch_size, learning_rate=1e-3)
    return TrainingState(model.to(device), training, seeds, device), training


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
