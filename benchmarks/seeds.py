"""Compare ten seeds trained together with one alone: `python -m benchmarks.seeds --output seeds.csv`.

On the digits it is the study's own run of the model gmdvae, with all its epochs; on cells it is one epoch. One thread.
"""

import tempfile
from pathlib import Path

from benchmarks.support.commands import benchmark_run, study_run
from benchmarks.support.datasets import digits_and_graph, simulated_cells
from benchmarks.support.processes import run_in_turn
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step

NUMBERS = (1, 10)


def compare_numbers_of_seeds(output: Path, rounds: int = 5, rounds_cells: int = 3) -> None:
    """Write the seconds, the rows shown to each seed and the peak memory of runs with one seed and with ten.

    Args:
        output: The csv file.
        rounds: How often each case runs on the digits, in turn.
        rounds_cells: How often each case runs on cells, in turn.
    """
    with tempfile.TemporaryDirectory(prefix="seeds.") as folder:
        data = digits_and_graph(Path(folder))
        cases = {str(n): study_run(data, "digits", "gmdvae", n) for n in NUMBERS}
        rows = run_in_turn(cases, rounds, of="digits gmdvae")
        data = simulated_cells(Path(folder), 10_000)
        for module in ("vae", "gmdvae"):
            cases = {str(n): benchmark_run(data, module, n_seeds=n) for n in NUMBERS}
            rows += run_in_turn(cases, rounds_cells, of=f"cells {module}")
    write_record(rows, output)


if __name__ == "__main__":
    run_step(compare_numbers_of_seeds)
