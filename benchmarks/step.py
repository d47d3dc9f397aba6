"""Measure a training step beside its floor on one thread: `python -m benchmarks.step --output step.csv`.

The model is gmdvae, the rows are synthetic, and S seeds are trained at once. The floor (support/floor.py) takes the
matrix rate and the bandwidth of this core, measured just before by a product and a copy of large float32 tensors.
"""

from pathlib import Path

import torch

from benchmarks.support.floor import floor_milliseconds, measure_rates
from benchmarks.support.records import write_record
from benchmarks.support.synthetic import SHAPES, synthetic_rows, time_training
from gmvae.pipeline.command import run_step

RUNS = ("digits", "images", "cells 10,000 x 2,000")
SEEDS = (1, 3, 10)
STEPS, EPOCHS, WARM = 10, 2, 1


def measure_steps(output: Path, rounds: int = 3) -> None:
    """Write the milliseconds of a step and of its floor for each run, number of seeds and round.

    Args:
        output: The csv file.
        rounds: How often each case is measured, in turn.
    """
    torch.set_num_threads(1)
    device, rows = torch.device("cpu"), []
    for number in range(rounds):
        rates = measure_rates(device)
        for name, n_seeds in ((name, n) for name in RUNS for n in SEEDS):
            shape = SHAPES[name]._replace(rows=min(SHAPES[name].rows, STEPS * SHAPES[name].batch_size))
            run = time_training(shape, "gmdvae", n_seeds, device, synthetic_rows(shape, n_seeds, device), EPOCHS, WARM)
            rows.append(
                {
                    "of": name,
                    "seeds": n_seeds,
                    "round": number,
                    "milliseconds": 1000 * run.seconds / run.steps,
                    "floor_milliseconds": floor_milliseconds(shape, "gmdvae", n_seeds, rates),
                    "matrix_gflops": rates.operations / 1e9,
                    "gigabytes_per_second": rates.bytes / 1e9,
                }
            )
    write_record(rows, output)


if __name__ == "__main__":
    run_step(measure_steps)
