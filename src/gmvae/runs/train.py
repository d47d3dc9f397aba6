"""Step `train`: train all seeds of one model on one task, in one process."""

import contextlib
import dataclasses
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import read_observed_labels
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.provenance import describe_run
from gmvae.formats.weights import build_model, save_weights, takes_components
from gmvae.formats.writing import write_csv, write_json
from gmvae.nn.batches import Rows, rows_from_dataset
from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_model import check_guide, check_training_settings
from gmvae.pipeline.errors import Refused
from gmvae.training.checkpoints import Checkpointer, run_identity
from gmvae.training.device import choose_device
from gmvae.training.loop import train_to_end
from gmvae.training.neighbour_file import load_neighbours
from gmvae.training.precision import choose_precision, set_precision
from gmvae.training.progress import Progress
from gmvae.training.refusals import check_divergence, check_start, check_views
from gmvae.training.schedule import Training
from gmvae.training.start import start_at_data
from gmvae.training.state import TrainingState


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
    encode: str = "auto",
    graph: Path | None = None,
) -> None:
    """Train a model with S seeds on the training split, and write its weights, its history and its provenance.

    An interrupted run continues from checkpoint.safetensors beside the weights, if settings, data and code are the
    same.

    Args:
        data: The prepared dataset (.h5ad).
        observed: The labels that the model may see (csv of row, label).
        weights: The safetensors file of weights to write.
        history: The csv file of losses to write.
        provenance: The JSON file to write on settings, seeds, versions and time.
        module: The model, a file of gmvae/models.
        settings: Keyword arguments of the model.
        training: Settings of the training, explained in config.yaml.
        n_components: Number of components K.
        seeds: One or more seeds, trained together.
        device: Where to compute: auto, cpu or cuda.
        threads: Number of compute threads.
        memory: GiB; a larger dataset stays on disk.
        checkpoint_minutes: Minutes between two saves of the unfinished run, 0 for none.
        progress: Whether to show the progress.
        encode: What the encoder sees: genes, the dataset's X; components, its principal components; or auto, components
            if the dataset has counts and the model has an argument `n_inputs`.
        graph: The file of nearest neighbours (.safetensors), for guide leiden and views of neighbours.

    Raises:
        Refused: A setting is unknown, there is no seed, K is below 1, below the number of observed classes or too large
            or too small for the model's start, the graph is missing, the rows have not the views of the training, the
            device does not exist or has not the precision, the model or the dataset has not what `encode` needs, a
            balanced start has no type under all conditions, or a seed diverged.
    """
    started = time.monotonic()
    check_seeds_and_components(seeds, n_components)
    torch.set_num_threads(threads)
    plan, torch_device = check_training(training), choose_device(device)
    plan = dataclasses.replace(plan, precision=choose_precision(plan.precision, torch_device))
    set_precision(plan.precision)
    encode = check_input(encode, module)
    rows, likelihood = training_rows(data, observed, len(seeds), n_components, torch_device, memory, encode, graph)
    encode = choose_input(encode, likelihood)
    sizes = {"n_features": rows.target.shape[1], "n_components": n_components, "n_conditions": rows.n_conditions}
    sizes |= {"n_inputs": rows.x.shape[1]} if encode == "components" else {}
    arguments = {"likelihood": likelihood, "seeds": seeds, **sizes, **settings}
    model = build_model(module, arguments).to(torch_device)
    check_start(model, plan, rows, data)
    check_views(model, plan, rows, likelihood, data)
    if plan.start != "zero":
        start_at_data(model, rows, plan.start == "balanced")
    state = TrainingState(model, plan, seeds, torch_device)
    record = {"module": module, "settings": settings, "training": training, "n_components": n_components}
    record["encode"] = encode
    record["threads"] = threads
    place = {"device": torch_device.type, "precision": plan.precision}
    identity = run_identity(record | {"seeds": seeds} | place, [data, observed, *([graph] if graph else [])], module)
    keeper = Checkpointer(weights.with_name("checkpoint.safetensors"), identity, checkpoint_minutes, started)
    resume_and_train(state, rows, plan, keeper, progress)
    diverged = check_divergence(state, plan, keeper)
    save_weights(state.model, module, arguments, weights)
    write_csv(pd.DataFrame(state.history), history)
    run = describe_run(record, seeds, torch_device.type, keeper.total_seconds())
    outcome = {"precision": plan.precision} | ({"diverged": diverged} if diverged else {})
    write_json(run | outcome, provenance)
    keeper.remove()


def check_seeds_and_components(seeds: list[int], n_components: int) -> None:
    """Raise Refused for a run without a seed or a component."""
    if not seeds:
        raise Refused("seeds: found none; at least one is needed, as `--seeds 0`")
    if n_components < 1:
        raise Refused(f"n_components: found {n_components}; allowed: 1 or more")


def check_training(settings: dict) -> Training:
    """The training settings of a run, checked as those of config.yaml are."""
    required = [field.name for field in dataclasses.fields(Training) if field.default is dataclasses.MISSING]
    check_training_settings(settings, required)
    check_guide(settings)
    return Training(**settings)


def check_input(encode: str, module: str) -> str:
    """What a model is to encode: auto becomes genes for one that encodes what it decodes. Raises Refused."""
    allowed = ("auto", "components", "genes") if takes_components(module) else ("auto", "genes")
    if encode not in allowed:
        raise Refused(f"encode: found {encode!r} for {module}; allowed: {', '.join(allowed)}")
    return encode if "components" in allowed else "genes"


def choose_input(encode: str, likelihood: str) -> str:
    """Components or genes: auto means components for counts."""
    if encode != "auto":
        return encode
    return "components" if likelihood in COUNT_LIKELIHOODS else "genes"


def training_rows(
    data: Path,
    observed: Path,
    n_seeds: int,
    n_components: int,
    device: torch.device,
    memory: float = 4.0,
    encode: str = "genes",
    graph: Path | None = None,
) -> tuple[Rows, str]:
    """Load the training split with the labels that may be seen, and the neighbours if there is a file of them.

    Component k is class k of the dataset's classes in sorted order, or cluster k where clusters stand in for labels.

    Args:
        data: The prepared dataset (.h5ad).
        observed: The labels that may be seen (csv of row, label).
        n_seeds: Number of seeds S.
        n_components: Number of components K.
        device: Where the rows go.
        memory: GiB; a larger dataset stays on disk.
        graph: The file of nearest neighbours (.safetensors).
        encode: genes, components or auto, which is components for counts.

    Returns:
        The training rows, and the name of the likelihood.

    Raises:
        Refused: More classes or clusters are observed than there are components, there are no principal components, or
            the file of neighbours belongs to other rows.
    """
    adata = load_dataset(data, memory)
    train = np.flatnonzero(adata.obs["split"] == "train")
    labels = read_observed_labels(adata.obs.iloc[train], observed)
    if (labels.codes >= 0).any() and labels.n_categories > n_components:
        n = labels.n_categories
        raise Refused(f"n_components: found {n_components}; allowed: at least {n}, the observed classes or clusters")
    likelihood = str(adata.uns["likelihood"])
    encode = choose_input(encode, likelihood)
    rows = rows_from_dataset(adata, labels.codes, n_seeds, n_components, device, train, encode)
    if graph is not None:
        neighbours = load_neighbours(graph, (adata.obs["split"] == "train").to_numpy())[train]
        rows = rows._replace(neighbours=torch.as_tensor(neighbours, device=device))
    return rows, likelihood


def resume_and_train(state: TrainingState, rows: Rows, plan: Training, keeper: Checkpointer, progress: bool) -> None:
    """Continue from the checkpoint, if there is one; after each step, show the progress and save where it is due."""
    keeper.resume(state)
    line = Progress(state, plan, rows.label.shape[1], progress)

    def after_step(steps: int) -> None:
        line.after_step(steps)
        keeper.after_step(state)

    with contextlib.closing(line), keeper.delay_signals():
        train_to_end(state, rows, plan, after_step)


if __name__ == "__main__":
    run_step(train)
