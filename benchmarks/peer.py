"""Our VAE of counts against scvi-tools' SCVI: `python -m benchmarks.peer --output peer.csv`.

Both have the same layers, likelihood and batch size, no batch norm and no dropout, and see the same 10,000 simulated
cells of 2,000 genes. Each run is a process of its own; the clock runs over whole epochs, after the first steps.
"""

import tempfile
from pathlib import Path

from benchmarks.inputs import cells
from benchmarks.processes import alternated
from benchmarks.records import record
from benchmarks.trained import NETWORK, run
from gmvae.pipeline.command import run_step


def peer(output: Path, rounds: int = 5, rounds_two: int = 3, epochs: int = 3) -> None:
    """Write seconds, rows shown and peak memory of each run on one thread and on two, as csv.

    output: the csv. rounds: how often each case runs, in turn, on one thread, and `rounds_two` on two. epochs: how many
    of each run the clock sees.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="peer.") as folder:
        data = cells(Path(folder), 10_000)
        for threads, times in ((1, rounds), (2, rounds_two)):
            cases = {"scvi": scvi(data, epochs, threads)}
            for precision in ("float32", "bfloat16"):
                cases[precision] = run(data, "vae", epochs=epochs, precision=precision, threads=threads)
            rows += alternated(cases, times, threads)
    record(rows, output)


def scvi(data: list[str], epochs: int, threads: int) -> list[str]:
    """The command of a run of SCVI; it takes the counts dense, which is faster for it here than sparse."""
    given = NETWORK | {"epochs": epochs, "threads": threads}
    options = [str(part) for key, value in given.items() for part in (f"--{key.replace('_', '-')}", value)]
    return ["benchmarks.fitted_scvi", *data[:2], *options, "--dense"]


if __name__ == "__main__":
    run_step(peer)
