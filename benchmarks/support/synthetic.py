"""Synthetic rows of the shapes of known datasets, and trainings on them; needs only PyTorch and NumPy."""

import contextlib
import importlib
import time
from typing import NamedTuple

import numpy as np
import torch

from gmvae.nn.batches import Rows
from gmvae.nn.random_streams import make_generators
from gmvae.nn.row_storage import CsrLayout, CsrRows
from gmvae.training import loop
from gmvae.training.graph_capture import Block
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
    shape: Shape,
    module: str,
    n_seeds: int,
    device: torch.device,
    rows: Rows,
    epochs: int,
    warm: int,
    precision: str = "float32",
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
        precision: Of the products.

    Returns:
        The run.
    """
    state, training = start_state(shape, module, n_seeds, device, warm + epochs, precision)
    started = [0.0]
    steps = -(-shape.rows // shape.batch_size)

    def start_clock(steps_of_epoch: int) -> None:
        if state.epoch == warm - 1 and state.step == steps_of_epoch:
            wait_for(device)
            started[0] = time.perf_counter()

    loop.train_to_end(state, rows, training, start_clock)
    wait_for(device)
    seconds = time.perf_counter() - started[0]
    weights = b"".join(value.detach().cpu().numpy().tobytes() for value in state.model.state_dict().values())
    losses = [line["loss"] for line in state.history]
    return Run(seconds, epochs * shape.rows * n_seeds, epochs * steps, weights, losses)


def start_state(
    shape: Shape, module: str, n_seeds: int, device: torch.device, epochs: int, precision: str = "float32"
) -> tuple[TrainingState, Training]:
    """A run before its first step, and its settings."""
    seeds, sizes = list(range(n_seeds)), {"n_hidden": shape.hidden, "n_latent": 10, "n_layers": 2}
    model = importlib.import_module(f"gmvae.models.{module}").Model(
        shape.features, shape.likelihood, seeds, COMPONENTS, **sizes
    )
    training = Training(epochs=epochs, batch_size=shape.batch_size, learning_rate=1e-3, precision=precision)
    return TrainingState(model.to(device), training, seeds, device), training


@contextlib.contextmanager
def draws_of_the_cpu(device: torch.device):
    """In this block every training draws its order and noise on the CPU, whose generators give other numbers."""
    whole_epoch, own_state = loop.epoch_steps, TrainingState.__init__

    def start(state, model, training, seeds, _device):
        own_state(state, model, training, seeds, _device)
        state.draws = {purpose: make_generators(seeds, purpose) for purpose in state.draws}

    def steps(rows, *arguments, **options):
        last = None
        for step, n, block, position in whole_epoch(rows._replace(label=rows.label.cpu()), *arguments, **options):
            if last is not block:
                last, moved = block, Block(*(part if part is None else part.to(device) for part in block))
            yield step, n, moved, position

    loop.epoch_steps, TrainingState.__init__ = steps, start
    try:
        yield
    finally:
        loop.epoch_steps, TrainingState.__init__ = whole_epoch, own_state


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
