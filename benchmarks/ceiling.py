"""Measure the share of training that its matrix products take: `python -m benchmarks.ceiling --output ceiling.csv`.

The products are timed in the same process as the training and in turn with it, on one thread.
"""

import tempfile
from pathlib import Path

from benchmarks.support.commands import benchmark_run
from benchmarks.support.datasets import large_digits, simulated_cells, study_digits
from benchmarks.support.processes import run_in_turn
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step

RUNS = (  # dataset, model, number of seeds, precision
    ("cells", "vae", 1, "float32"),
    ("cells", "vae", 1, "bfloat16"),
    ("images", "gmdvae", 1, "float32"),
    ("images", "gmdvae", 10, "float32"),
    ("digits", "gmdvae", 1, "float32"),
    ("digits", "gmdvae", 10, "float32"),
)


def measure_ceiling(output: Path) -> None:
    """Write the seconds of training and of its products alone, their number and their 10^9 operations.

    Args:
        output: The csv file.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="ceiling.") as name:
        folder = Path(name)
        data = {
            "cells": simulated_cells(folder, 10_000),
            "images": large_digits(folder),
            "digits": study_digits(folder),
        }
        for dataset, module, n_seeds, precision in RUNS:
            epochs = 10 if dataset == "digits" else 1
            _, *options = benchmark_run(data[dataset], module, n_seeds, epochs, precision)
            case = f"{precision}, {n_seeds} seeds" if n_seeds > 1 else precision
            command = ["benchmarks.support.time_products", *options]
            rows += run_in_turn({case: command}, 1, of=f"{dataset} {module}")
    write_record(rows, output)


if __name__ == "__main__":
    run_step(measure_ceiling)
