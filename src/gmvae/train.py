"""Step `train`: all seeds of one model on one task, in one process."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gmvae import data as dataset
from gmvae.batches import Rows, rows_of
from gmvae.command import run
from gmvae.device import device_of
from gmvae.errors import Refused
from gmvae.files import write_csv, write_json
from gmvae.fit import fit
from gmvae.labels import told_labels
from gmvae.provenance import provenance as described
from gmvae.schedule import Training
from gmvae.weights import built, save

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
    progress: bool = True,
) -> None:
    """Train a model with S seeds on the training split, and write its weights, its history and its provenance.

    data: the prepared data set (h5ad). observed: csv of row, label: what the model may see of the labels. weights,
    history, provenance: what is written. module: a file of gmvae/models. settings: the constructor's keyword settings.
    training: see config.yaml. n_components: K. seeds: one or more. device: auto, cpu or cuda. threads: compute threads.
    progress: a live line.

    Raises:
        Refused: an unknown setting, no seed, K below 1, a device that is not there, labels of more classes than K.
    """
    started = time.monotonic()
    if not seeds:
        raise Refused("seeds: found none; at least one is needed, as `--seeds 0`")
    if n_components < 1:
        raise Refused(f"n_components: found {n_components}; allowed: 1 or more")
    torch.set_num_threads(threads)
    plan = planned(training)
    torch.set_default_dtype(DTYPES[plan.precision])
    chosen = device_of(device)
    rows, likelihood = training_rows(data, observed, len(seeds), n_components, chosen)
    arguments = {
        "n_features": rows.x.shape[1],
        "likelihood": likelihood,
        "seeds": seeds,
        "n_components": n_components,
        "n_conditions": rows.n_conditions,
        **settings,
    }
    model = built(module, arguments).to(chosen)
    frame = fit(model, rows, plan, seeds, progress)
    refuse_divergence(frame, module)
    save(model, module, arguments, weights)
    write_csv(frame, history)
    asked = {"module": module, "settings": settings, "training": training, "n_components": n_components}
    write_json(described(asked | {"threads": threads}, seeds, chosen.type, time.monotonic() - started), provenance)


def planned(training: dict) -> Training:
    """The training settings, checked."""
    try:
        plan = Training(**training)
    except TypeError as error:
        raise Refused(f"training: {error}; allowed: {', '.join(Training.__dataclass_fields__)}") from None
    if plan.precision not in DTYPES:
        raise Refused(f"training.precision: found {plan.precision!r}; allowed: {', '.join(DTYPES)}")
    if plan.batch_size < 1 or plan.epochs < 1:
        raise Refused(f"training: found batch_size {plan.batch_size}, epochs {plan.epochs}; both must be at least 1")
    return plan


def training_rows(
    data: Path, observed: Path, n_seeds: int, n_components: int, device: torch.device
) -> tuple[Rows, str]:
    """The training split on the device with the labels that may be seen, and the likelihood's name.

    Component k is class k of the data set's classes in sorted order, or cluster k where clusters were told.
    """
    adata = dataset.load(data)
    adata = adata[adata.obs["split"] == "train"].copy()
    told = told_labels(adata.obs, observed)
    if (told.codes >= 0).any() and told.n_categories > n_components:
        n = told.n_categories
        raise Refused(f"n_components: found {n_components}; allowed: at least {n}, the observed classes or clusters")
    return rows_of(adata, told.codes, n_seeds, n_components, device), str(adata.uns["likelihood"])


def refuse_divergence(history: pd.DataFrame, module: str) -> None:
    """Refuse a history with a term that is not finite, naming the first."""
    terms = history.drop(columns=["phase"])
    broken = ~np.isfinite(terms.to_numpy(dtype=float))
    if broken.any():
        row, column = np.argwhere(broken)[0]
        at = history.iloc[row]
        raise Refused(
            f"{module}: {terms.columns[column]} is not finite in epoch {at['epoch']} of seed {at['seed']}; try a lower "
            "`training.learning_rate`, or `training.clip: 1`"
        )


if __name__ == "__main__":
    run(train)
