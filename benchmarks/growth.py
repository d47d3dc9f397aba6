"""Time and memory of training on 10^4 to 10^6 cells: `python -m benchmarks.growth --output growth.csv`.

Each run shows the model vae as many cells: the small set several times, of the large one a share of an epoch, so that
what an epoch costs at its start is counted in full. The memory is that of the process that reads the set and trains.
"""

import shutil
import tempfile
from pathlib import Path

from benchmarks.inputs import cells
from benchmarks.processes import alternated
from benchmarks.records import record
from benchmarks.trained import TRAINING, run
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

BYTES_PER_CELL = 3_000  # of disk: 140 counts of 8 bytes twice, with room


def growth(output: Path, rounds: int = 5, shown: int = 50_000, folder: Path | None = None) -> None:
    """Write seconds, rows shown and peak memory of runs on 10^4, 10^5 and 10^6 cells of 2,000 genes, as csv.

    output: the csv. rounds: how often each size runs, in turn (10^5 only once). shown: cells shown in a run. folder:
    for the temporary files (default: the system's). Raises Refused where the disk has too little room.
    """
    folder = folder or Path(tempfile.gettempdir())
    needed, free = BYTES_PER_CELL * 1.11e6 / 1e9, shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise Refused(f"{folder}: {free:.1f} GB are free, {needed:.1f} GB are needed; give another --folder")
    with tempfile.TemporaryDirectory(dir=folder, prefix="growth.") as temporary:
        cases = {str(n): sized(Path(temporary), n, shown) for n in (10_000, 100_000, 1_000_000)}
        rows = alternated({n: cases[n] for n in ("10000", "1000000")}, rounds)
        rows += alternated({"100000": cases["100000"]}, 1)
    record(rows, output)


def sized(folder: Path, n: int, shown: int) -> list[str]:
    """The command of a run on n cells that shows so many: whole epochs, or a share of one."""
    epochs = max(1, shown // n)
    return run(cells(folder, n), "vae", epochs=epochs, steps=shown // TRAINING["batch_size"] if n > shown else 0)


if __name__ == "__main__":
    run_step(growth)
