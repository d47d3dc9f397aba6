"""Compare our VAE of counts with SCVI of scvi-tools: `python -m benchmarks.peer --output peer.csv`.

Both have the same layers, likelihood and batch size, no batch norm and no dropout, and are trained on the same 10,000
simulated cells of 2,000 genes. Each run is a process of its own; whole epochs are timed, after the first steps.
"""

import tempfile
from pathlib import Path

from benchmarks.support.commands import NETWORK, benchmark_run, option_list
from benchmarks.support.datasets import simulated_cells
from benchmarks.support.processes import run_in_turn
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step


def compare_with_scvi(output: Path, rounds: int = 5, rounds_two: int = 3, epochs: int = 3) -> None:
    """Write the seconds, the rows shown and the peak memory of each run, on one thread and on two.

    Args:
        output: The csv file.
        rounds: How often each case runs on one thread, in turn.
        rounds_two: How often each case runs on two threads, in turn.
        epochs: The number of epochs of each run that are timed.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="peer.") as folder:
        data = simulated_cells(Path(folder), 10_000)
        for threads, times in ((1, rounds), (2, rounds_two)):
            cases = {"scvi": scvi_run(data, epochs, threads)}
            for precision in ("float32", "bfloat16"):
                cases[precision] = benchmark_run(data, "vae", epochs=epochs, precision=precision, threads=threads)
            rows += run_in_turn(cases, times, threads)
    write_record(rows, output)


def scvi_run(data: list[str], epochs: int, threads: int) -> list[str]:
    """The command of a run of SCVI; it takes dense counts, which is faster here than sparse ones."""
    options = {name.replace("_", "-"): value for name, value in NETWORK.items()}
    options |= {"epochs": epochs, "threads": threads}
    return ["benchmarks.support.train_scvi", *data[:2], *option_list(options), "--dense"]


if __name__ == "__main__":
    run_step(compare_with_scvi)
