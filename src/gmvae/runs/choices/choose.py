"""Step `choose_components`: how many components a task gets, from short trainings that see no label."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gmvae.formats.dataset import load_dataset
from gmvae.formats.writing import write_csv, write_json
from gmvae.nn.batches import Rows, rows_from_dataset
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.runs.choices.candidates import SHARE, candidate_numbers, draw_subset
from gmvae.runs.choices.communities import count_communities
from gmvae.runs.choices.rule import choose_number
from gmvae.runs.choices.sweep import Sweep, measure_numbers
from gmvae.runs.train import check_input, check_training, choose_input
from gmvae.training.device import choose_device
from gmvae.training.precision import choose_precision, set_precision
from gmvae.training.schedule import Training

STEPS = 200  # of a training, or as many as the model's own settings give, if that is less
RATE = 5e-3  # learning rate; at 1e-3, fits of 12 components to 12 simulated types had an index of 0.54, at 5e-3 of 0.92
FIRST_SHARE, SECOND_SHARE = 0.4, 0.2  # of the epochs


def choose_components(
    data: Path,
    choice: Path,
    table: Path,
    module: str,
    settings: dict,
    training: dict,
    candidates: list[int] | None = None,
    encode: str = "auto",
    device: str = "auto",
    threads: int = 1,
    memory: float = 4.0,
) -> None:
    """Train a model with each of several numbers of components, choose one, and write it and what it rests on.

    Args:
        data: The prepared dataset (.h5ad); only its training rows are used, and no label.
        choice: The JSON file to write: n_components, and the rule's reason.
        table: The csv file to write: what each number of components gave.
        module: The model, a file of gmvae/models.
        settings: Keyword arguments of the model.
        training: Settings of its training in the study; the sweep's is shorter, see `short_training`.
        candidates: The numbers to try; by default 2 to a limit that grows with the number of rows.
        encode: What the encoder sees: genes, components or auto.
        device: Where to compute: auto, cpu or cuda.
        threads: Number of compute threads.
        memory: GiB; a larger dataset stays on disk.

    Raises:
        Refused: There are too few training rows, or no training ends.
    """
    torch.set_num_threads(threads)
    adata = load_dataset(data, memory)
    train = np.flatnonzero(adata.obs["split"] == "train")
    numbers = candidates or candidate_numbers(len(train))
    if len(train) < 2 * max(numbers):
        allowed = f"at most {len(train) // 2}, half of the training rows of {data}"
        raise Refused(f"n_components: found {max(numbers)} among the candidates; allowed: {allowed}")
    train = train[draw_subset(len(train))]
    torch_device, likelihood = choose_device(device), str(adata.uns["likelihood"])
    plan = short_training(check_training(training), len(train))
    plan = dataclasses.replace(plan, precision=choose_precision(plan.precision, torch_device))
    set_precision(plan.precision)
    encode = choose_input(check_input(encode, module), likelihood)

    def rows_at(positions: np.ndarray, n_seeds: int, k: int) -> Rows:
        hidden = np.full(len(positions), -1)
        return rows_from_dataset(adata, hidden, n_seeds, k, torch_device, train[positions], encode)

    arguments = {"likelihood": likelihood, **settings}
    sweep = Sweep(rows_at, len(train), module, arguments, encode == "components", plan)
    evidence = pd.DataFrame(measure_numbers(sweep, numbers))
    evidence["communities"] = count_communities(adata, train)
    number, reason = choose_number(evidence)
    evidence["chosen"] = evidence["n_components"] == number
    write_csv(evidence, table)
    print(f"{number} components: {reason}")
    write_json({"n_components": number, "reason": reason}, choice)


def short_training(training: Training, n_rows: int) -> Training:
    """The training settings of a sweep: the model's own, but few steps at a high learning rate.

    Of the epochs, 40 % are of the phase `autoencode` and 20 % of `guide`, if the model's own training has the phase:
    k-means can only find clusters in a latent space that has them. There are no views, no information term, no early
    stopping and no warm-ups, and nothing needs a graph or labels.

    Args:
        training: The settings of the model's training.
        n_rows: Number of training rows.

    Returns:
        About 200 steps on 80 % of the rows, at most the model's own number of epochs.
    """
    steps = max(1, round(SHARE * n_rows / training.batch_size))
    epochs = max(3, min(training.epochs, round(STEPS / steps)))
    first = max(1, round(FIRST_SHARE * epochs)) if training.autoencode_epochs else 0
    second = max(1, round(SECOND_SHARE * epochs)) if training.guide_epochs else 0
    return dataclasses.replace(
        training,
        epochs=epochs,
        learning_rate=max(RATE, training.learning_rate),
        warmup_epochs=0,
        kl_warmup_epochs=0,
        autoencode_epochs=first,
        guide_epochs=second,
        guide="kmeans" if training.guide == "leiden" else training.guide,
        views=(),
        information=0.0,
        patience=0,
        start="data" if training.start == "balanced" else training.start,
    )


if __name__ == "__main__":
    run_step(choose_components)
