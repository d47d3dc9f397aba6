"""Measure what matrix products in bfloat16 save: `python -m benchmarks.precision --output precision.csv`.

The model gmdvae on images of MNIST's size and on cells, the model vae on cells; one seed, one thread. The result
depends on the processor: only one with matrix units for bfloat16 saves much.
"""

import tempfile
from pathlib import Path

from benchmarks.support.commands import benchmark_run
from benchmarks.support.datasets import large_digits, simulated_cells
from benchmarks.support.processes import run_in_turn
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step


def compare_precisions(output: Path, rounds: int = 5, epochs: int = 2) -> None:
    """Write the seconds, the rows shown and the peak memory of runs in both precisions.

    Args:
        output: The csv file.
        rounds: How often each case runs, in turn.
        epochs: The number of epochs of each run.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="precision.") as folder:
        data = {"images": large_digits(Path(folder)), "cells": simulated_cells(Path(folder), 10_000)}
        for dataset, module in (("images", "gmdvae"), ("cells", "gmdvae"), ("cells", "vae")):
            cases = {
                precision: benchmark_run(data[dataset], module, epochs=epochs, precision=precision)
                for precision in ("float32", "bfloat16")
            }
            rows += run_in_turn(cases, rounds, of=f"{dataset} {module}")
    write_record(rows, output)


if __name__ == "__main__":
    run_step(compare_precisions)
