"""Step `expect`: a response that is predicted without a model, as a reference for the models' predictions."""

import importlib
import time
from pathlib import Path

from gmvae.formats.dataset import load_dataset
from gmvae.formats.provenance import describe_run
from gmvae.formats.writing import write_json
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import parameter_names
from gmvae.runs.held_out import dense_double, find_held_out, write_responses


def expect(
    data: Path,
    output: Path,
    profiles: Path,
    provenance: Path,
    name: str,
    task: str,
    model: str,
    seeds: list[int],
    label: str,
    condition: str,
) -> None:
    """Predict the held-out cells by adding one change to every control cell, and measure that like a model.

    Args:
        data: The prepared dataset (.h5ad).
        output: The csv file of measures to write, with the columns of metrics.csv.
        profiles: The csv file of mean profiles to write, one line per gene.
        provenance: The JSON file to write on settings, seeds, versions and time.
        name: How the change is predicted, a file of gmvae/runs/responses; it sees training cells and the type's
            control cells only. One that takes the argument `stimulated` is a reference and sees the held-out cells; the
            ceiling of the measures of the change is written beside it.
        task: Name of the task, for the column.
        model: Name of the model, for the column.
        seeds: The study's seeds; all get the same values.
        label: The held-out type.
        condition: The condition under which it was held out.

    Raises:
        Refused: There is no seed, or these cells were not held out.
    """
    start = time.perf_counter()
    if not seeds:
        raise Refused("--seeds names no seed: give at least one, in config.yaml under studies.<study>.seeds")
    adata = load_dataset(data)
    cells = find_held_out(adata, label, condition)
    train = (adata.obs["split"] == "train").to_numpy()
    labels = adata.obs["label"].to_numpy(dtype=str)[train]
    treated = (adata.obs["condition"] == condition).to_numpy()[train]
    response = importlib.import_module(f"gmvae.runs.responses.{name}")
    control = dense_double(adata.X, cells.control)
    real = {"stimulated": dense_double(adata.X, cells.stimulated)} if is_reference(name) else {}
    change = response.change(dense_double(adata.X, train), labels, treated, control, **real)
    predictions = {"": dict.fromkeys(seeds, control + change)}
    write_responses(predictions, adata, cells, task, model, output, profiles, with_ceiling=is_reference(name))
    seconds = time.perf_counter() - start
    write_json(describe_run({"response": name}, seeds, "cpu", seconds), provenance)


def is_reference(name: str) -> bool:
    """Whether an expectation takes the cells that are to be predicted."""
    return "stimulated" in parameter_names(f"gmvae.runs.responses.{name}", "change")


if __name__ == "__main__":
    run_step(expect)
