"""Step `expect`: what one would expect of a type of cells under a condition without a model, to measure models by."""

import importlib
import time
from pathlib import Path

from gmvae.formats.dataset import load_dataset
from gmvae.formats.provenance import describe_run
from gmvae.formats.writing import write_json
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
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
    """Add one change to the profile of every control cell of the held-out type, and measure it as models are measured.

    data: the prepared data set (h5ad). output: csv of the measures, in the columns of metrics.csv. profiles: csv of
    the mean profiles by gene. name: a file of gmvae/responses, whose `change` sees training cells only. task, model:
    names. seeds: the study's; all have the same values. label, condition: what was held out.
    """
    start = time.perf_counter()
    if not seeds:
        raise Refused("--seeds names no seed: give at least one, in config.yaml under studies.<study>.seeds")
    adata = load_dataset(data)
    cells = find_held_out(adata, label, condition)
    train = (adata.obs["split"] == "train").to_numpy()
    labels = adata.obs["label"].to_numpy(dtype=str)[train]
    treated = (adata.obs["condition"] == condition).to_numpy()[train]
    change = importlib.import_module(f"gmvae.runs.responses.{name}").change(
        dense_double(adata.X, train), labels, treated
    )
    prediction = dense_double(adata.X, cells.control) + change
    write_responses({"": dict.fromkeys(seeds, prediction)}, adata, cells, task, model, output, profiles)
    seconds = time.perf_counter() - start
    write_json(describe_run({"response": name}, seeds, "cpu", seconds), provenance)


if __name__ == "__main__":
    run_step(expect)
