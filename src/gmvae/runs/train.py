"""Step `train`: all seeds of one model on one task, in one process."""

import contextlib
import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import read_observed_labels
from gmvae.formats.provenance import describe_run
from gmvae.formats.weights import build_model, save_weights
from gmvae.formats.writing import write_csv, write_json
from gmvae.nn.batches import Rows, rows_from_dataset
from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_model import check_training_settings
from gmvae.pipeline.errors import Refused
from gmvae.training.checkpoints import Checkpointer, run_identity
from gmvae.training.device import choose_device
from gmvae.training.loop import train_to_end
from gmvae.training.progress import Progress
from gmvae.training.schedule import Training
from gmvae.training.state import EXPLODED, TrainingState

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.float32}  # of the parameters


def train(
    data: Path,
    observed: Path,
    weights: Path,
    history: Path,
    provenance: Path,
    module: str,
    settings: dict,
    training: dict,
    n_components: int,
    seeds: list[int],
    device: str = "auto",
    threads: int = 1,
    memory: float = 4.0,
    checkpoint_minutes: float = 10.0,
    progress: bool = True,
) -> None:
    """Train a model with S seeds on the training split, and write its weights, its history and its provenance.

    data: the prepared data set (h5ad). observed: csv of row, label: what the model may see of the labels. weights,
    history, provenance: what is written. module: a file of gmvae/models. settings: the constructor's keyword settings.
    training: see config.yaml. n_components: K. seeds: one or more. device: auto, cpu or cuda. threads: compute threads.
    memory: GiB of data above which they stay on disk.
    checkpoint_minutes: from one save of the unfinished run to the next, 0 for none. progress: a live line.

    A run that was interrupted goes on from checkpoint.safetensors beside the weights, if that is of the same settings,
    data and code.

    Raises:
        Refused: an unknown setting, no seed, K below 1, a device that is not there, labels of more classes than K, a
            seed that diverged.
    """
    started = time.monotonic()
    check_seeds_and_components(seeds, n_components)
    torch.set_num_threads(threads)
    plan = check_training(training)
    torch.set_default_dtype(DTYPES[plan.precision])
    chosen = choose_device(device)
    rows, likelihood = training_rows(data, observed, len(seeds), n_components, chosen, memory)
    arguments = {
        "n_features": rows.x.shape[1],
        "likelihood": likelihood,
        "seeds": seeds,
        "n_components": n_components,
        "n_conditions": rows.n_conditions,
        **settings,
    }
    asked = {"module": module, "settings": settings, "training": training, "n_components": n_components}
    asked["threads"] = threads
    state = TrainingState(build_model(module, arguments).to(chosen), plan, seeds, chosen)
    what = run_identity(asked | {"seeds": seeds, "device": chosen.type}, [data, observed], module)
    keeper = Checkpointer(weights.with_name("checkpoint.safetensors"), what, checkpoint_minutes, started)
    resume_and_train(state, rows, plan, keeper, progress)
    lost = refuse_divergence(state, plan, keeper)
    save_weights(state.model, module, arguments, weights)
    write_csv(pd.DataFrame(state.history), history)
    made = describe_run(asked, seeds, chosen.type, keeper.total_seconds())
    write_json(made | ({"diverged": lost} if lost else {}), provenance)
    keeper.remove()


def check_seeds_and_components(seeds: list[int], n_components: int) -> None:
    """Refuse a run without a seed or a component."""
    if not seeds:
        raise Refused("seeds: found none; at least one is needed, as `--seeds 0`")
    if n_components < 1:
        raise Refused(f"n_components: found {n_components}; allowed: 1 or more")


def check_training(settings: dict) -> Training:
    """The training settings of a run, checked as those of config.yaml are."""
    required = [field.name for field in dataclasses.fields(Training) if field.default is dataclasses.MISSING]
    check_training_settings(settings, required)
    return Training(**settings)


def training_rows(
    data: Path, observed: Path, n_seeds: int, n_components: int, device: torch.device, memory: float = 4.0
) -> tuple[Rows, str]:
    """The training split on the device with the labels that may be seen, and the likelihood's name.

    Component k is class k of the data set's classes in sorted order, or cluster k where clusters were told.
    """
    adata = load_dataset(data, memory)
    train = np.flatnonzero(adata.obs["split"] == "train")
    told = read_observed_labels(adata.obs.iloc[train], observed)
    if (told.codes >= 0).any() and told.n_categories > n_components:
        n = told.n_categories
        raise Refused(f"n_components: found {n_components}; allowed: at least {n}, the observed classes or clusters")
    return rows_from_dataset(adata, told.codes, n_seeds, n_components, device, train), str(adata.uns["likelihood"])


def resume_and_train(state: TrainingState, rows: Rows, plan: Training, keeper: Checkpointer, progress: bool) -> None:
    """Train from where the keeper has the run, and let it keep it and the line show it after each step."""
    keeper.resume(state)
    line = Progress(state, plan, rows.label.shape[1], progress)

    def after_step(steps: int) -> None:
        line.after_step(steps)
        keeper.after_step(state)

    with contextlib.closing(line), keeper.delay_signals():
        train_to_end(state, rows, plan, after_step)


def refuse_divergence(state: TrainingState, plan: Training, keeper: Checkpointer) -> list[dict]:
    """The seeds that diverged, where the run is to be written with them; else Refused, the run kept as it is."""
    lost = state.diverged_seeds()
    if not lost:
        return lost
    first = lost[0]
    at = f"{first['term']} of seed {first['seed']} is not finite, or above {EXPLODED:g}, in epoch {first['epoch']}"
    others = f" (likewise seeds {', '.join(str(one['seed']) for one in lost[1:])})" if len(lost) > 1 else ""
    if plan.diverged == "keep" and len(lost) < len(state.seeds):
        print(f"{at}{others}: written as it was an epoch before, as training.diverged is `keep`", file=sys.stderr)
        return lost
    keeper.save(state)
    remedy = "set training.diverged to keep to write them all so, or try"
    if len(lost) == len(state.seeds):
        remedy = "no other seed is left; try"
    clip = f"training.clip below {plan.clip:g}" if plan.clip else "training.clip: 1"
    raise Refused(
        f"{at}{others}; {keeper.path} has it as it was an epoch before, and the others trained to their end: {remedy} "
        f"a training.learning_rate below {plan.learning_rate:g}, or {clip}"
    )


if __name__ == "__main__":
    run_step(train)
