"""What ten seeds trained together cost beside one alone: `python -m benchmarks.seeds --output seeds.csv`.

On the digits it is the study's own run of the model gmdvae, all its epochs; on cells one epoch. One thread.
"""

import tempfile
from pathlib import Path

from benchmarks.inputs import cells, digits
from benchmarks.processes import alternated
from benchmarks.records import record
from benchmarks.trained import run, study_run
from gmvae.pipeline.command import run_step


def seeds(output: Path, rounds: int = 5, rounds_cells: int = 3) -> None:
    """Write seconds, rows shown to each seed and peak memory of runs with one seed and with ten, as csv.

    output: the csv. rounds: how often each case runs, in turn, on the digits, and `rounds_cells` on cells.
    """
    with tempfile.TemporaryDirectory(prefix="seeds.") as folder:
        data = digits(Path(folder))
        rows = alternated({str(n): study_run(data, "digits", "gmdvae", n) for n in (1, 10)}, rounds, of="digits gmdvae")
        data = cells(Path(folder), 10_000)
        for module in ("vae", "gmdvae"):
            cases = {str(n): run(data, module, n_seeds=n) for n in (1, 10)}
            rows += alternated(cases, rounds_cells, of=f"cells {module}")
    record(rows, output)


if __name__ == "__main__":
    run_step(seeds)
