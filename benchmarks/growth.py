"""Measure training on 10^4 to 10^6 cells, its time and its memory: `python -m benchmarks.growth --output growth.csv`.

Each run shows the same number of cells to the model vae: the small dataset several times, a share of an epoch of the
large one, so that what an epoch costs at its start counts in full. The memory is that of the process that reads the
dataset and trains.
"""

import shutil
import tempfile
from pathlib import Path

from benchmarks.support.commands import TRAINING, benchmark_run
from benchmarks.support.datasets import simulated_cells
from benchmarks.support.processes import run_in_turn
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

SIZES = (10_000, 100_000, 1_000_000)
BYTES_PER_CELL = 3_000  # of disk: 140 counts of 8 bytes, twice, and some room


def measure_growth(output: Path, rounds: int = 5, shown: int = 50_000, folder: Path | None = None) -> None:
    """Write the seconds, the rows shown and the peak memory of runs on 10^4, 10^5 and 10^6 cells of 2,000 genes.

    Args:
        output: The csv file.
        rounds: How often the smallest and the largest run, in turn; the middle one runs once.
        shown: The number of cells that each run shows to the model.
        folder: The folder for temporary files; the system's by default.

    Raises:
        Refused: The disk has too little room.
    """
    folder = folder or Path(tempfile.gettempdir())
    needed, free = BYTES_PER_CELL * sum(SIZES) / 1e9, shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise Refused(f"{folder}: {free:.1f} GB are free, {needed:.1f} GB are needed; give another --folder")
    with tempfile.TemporaryDirectory(dir=folder, prefix="growth.") as temporary:
        small, middle, large = (sized_run(Path(temporary), n, shown) for n in SIZES)
        rows = run_in_turn({str(SIZES[0]): small, str(SIZES[2]): large}, rounds)
        rows += run_in_turn({str(SIZES[1]): middle}, 1)
    write_record(rows, output)


def sized_run(folder: Path, n: int, shown: int) -> list[str]:
    """The command of a run that shows a number of cells, from a dataset of n: whole epochs, or a share of one."""
    data = simulated_cells(folder, n)
    steps = shown // TRAINING["batch_size"] if n > shown else 0
    return benchmark_run(data, "vae", epochs=max(1, shown // n), steps=steps)


if __name__ == "__main__":
    run_step(measure_growth)
