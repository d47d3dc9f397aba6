"""One training run of this project in a process of its own: prints one JSON line with its seconds and peak memory."""

import json
import time
from itertools import islice
from pathlib import Path

import torch

from benchmarks.memory import peak_megabytes
from gmvae.formats.weights import build_model
from gmvae.nn.batches import Rows
from gmvae.pipeline.command import run_step
from gmvae.runs.train import check_training, training_rows
from gmvae.training import loop
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

WARM_UP = 10  # steps


def fitted(
    data: Path,
    observed: Path,
    module: str,
    settings: dict,
    training: dict,
    n_components: int = 1,
    n_seeds: int = 1,
    threads: int = 1,
    steps: int = 0,
) -> None:
    """Train and print {"seconds", "busy", "rows", "megabytes"}: wall and processor time of the training alone, without
    imports and reading; how many rows a seed was shown; the process's peak memory.

    data: the prepared data set. observed: csv of row and label. module, settings, training, n_components: as the step
    train takes them. n_seeds: seeds 0, 1, ... trained together. threads: compute threads. steps: of each epoch, only so
    many; 0 means all. A few steps go before the clock starts.
    """
    model, rows, plan, seeds = loaded(data, observed, module, settings, training, n_components, n_seeds, threads)
    whole = loop.epoch_batches
    loop.epoch_batches = lambda *given: islice(whole(*given), WARM_UP)
    warm_up = check_training(training | {"epochs": 1, "autoencode_epochs": 0, "guide_epochs": 0})
    loop.train_to_end(TrainingState(model, warm_up, seeds), rows, warm_up)
    loop.epoch_batches = (lambda *given: islice(whole(*given), steps)) if steps else whole
    started, busy = time.perf_counter(), time.process_time()
    loop.train_to_end(TrainingState(model, plan, seeds), rows, plan)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    n = rows.label.shape[1]
    shown = plan.epochs * (min(n, steps * -(-n // -(-n // plan.batch_size))) if steps else n)
    print(json.dumps({"seconds": seconds, "busy": busy, "rows": shown, "megabytes": peak_megabytes()}))


def loaded(
    data: Path,
    observed: Path,
    module: str,
    settings: dict,
    training: dict,
    n_components: int,
    n_seeds: int,
    threads: int,
) -> tuple[torch.nn.Module, Rows, Training, list[int]]:
    """The model, the training rows, the plan and the seeds of a run."""
    torch.set_num_threads(threads)
    plan, seeds = check_training(training), list(range(n_seeds))
    rows, likelihood = training_rows(data, observed, n_seeds, n_components, torch.device("cpu"))
    n_features = rows.x.shape[1]
    of_model = {"n_features": n_features, "likelihood": likelihood, "seeds": seeds, "n_components": n_components}
    return build_model(module, of_model | settings), rows, plan, seeds


if __name__ == "__main__":
    run_step(fitted)
