"""Train a model of this project in a process of its own and print seconds and peak memory as one JSON line."""

import json
import time
from itertools import islice
from pathlib import Path

import torch

from benchmarks.support.memory import peak_megabytes
from gmvae.formats.weights import build_model
from gmvae.nn.batches import Rows
from gmvae.pipeline.command import run_step
from gmvae.runs.train import check_training, training_rows
from gmvae.training import loop
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

WARM_UP = 10  # steps before the clock starts


def train_with_clock(
    data: Path,
    observed: Path,
    module: str,
    settings: dict,
    training: dict,
    n_components: int = 1,
    n_seeds: int = 1,
    threads: int = 1,
    steps: int = 0,
    graph: Path | None = None,
) -> None:
    """Train a model and print {"seconds", "busy", "rows", "megabytes"}.

    `seconds` and `busy` are the wall time and the processor time of training alone, without imports and reading; `rows`
    counts the rows that each seed was shown; `megabytes` is the peak memory of the process.

    Args:
        data: The prepared dataset.
        observed: The csv with the columns row and label.
        module: The file of the model, as in the step train.
        settings: The model's settings, as in the step train.
        training: The settings of training, as in the step train.
        n_components: The number of clusters.
        n_seeds: The number of seeds that are trained together: 0, 1, ...
        threads: The number of compute threads.
        steps: The number of training steps in each epoch; 0 means a whole epoch.
        graph: The file of nearest neighbours, for guide leiden and views of neighbours.
    """
    options = data, observed, module, settings, training, n_components, n_seeds, threads
    model, rows, plan, seeds = load_run(*options, graph)
    whole_epoch = loop.epoch_steps
    loop.epoch_steps = lambda *arguments: islice(whole_epoch(*arguments), WARM_UP)
    warm_up = check_training(training | {"epochs": 1, "autoencode_epochs": 0, "guide_epochs": 0})
    loop.train_to_end(TrainingState(model, warm_up, seeds), rows, warm_up)
    loop.epoch_steps = (lambda *arguments: islice(whole_epoch(*arguments), steps)) if steps else whole_epoch
    started, busy = time.perf_counter(), time.process_time()
    loop.train_to_end(TrainingState(model, plan, seeds), rows, plan)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    n_rows = rows.label.shape[1]
    shown = plan.epochs * (min(n_rows, steps * rows_per_step(n_rows, plan.batch_size)) if steps else n_rows)
    print(json.dumps({"seconds": seconds, "busy": busy, "rows": shown, "megabytes": peak_megabytes()}))


def rows_per_step(n_rows: int, batch_size: int) -> int:
    """The rows of one batch, where an epoch is cut into batches of nearly equal size."""
    n_batches = -(-n_rows // batch_size)
    return -(-n_rows // n_batches)


def load_run(
    data: Path,
    observed: Path,
    module: str,
    settings: dict,
    training: dict,
    n_components: int,
    n_seeds: int,
    threads: int,
    graph: Path | None = None,
) -> tuple[torch.nn.Module, Rows, Training, list[int]]:
    """Return the model, the training rows, the schedule and the seeds of a run; arguments as in train_with_clock."""
    torch.set_num_threads(threads)
    plan, seeds = check_training(training), list(range(n_seeds))
    rows, likelihood = training_rows(data, observed, n_seeds, n_components, torch.device("cpu"), graph=graph)
    n_features = rows.x.shape[1]
    sizes = {"n_features": n_features, "likelihood": likelihood, "seeds": seeds, "n_components": n_components}
    return build_model(module, sizes | settings), rows, plan, seeds


if __name__ == "__main__":
    run_step(train_with_clock)
