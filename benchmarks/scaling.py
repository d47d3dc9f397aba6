"""Fit what steps cost to small datasets, and foretell a large one: `python -m benchmarks.scaling --output scaling.csv`.

Cells: the steps prepare, observe, train (one epoch of gmdvae, one seed), embed, export and page, each a process of its
own, on blocks of simulated cells. Runs: what Snakemake itself takes to plan a study, and to look through a finished
one. Time is processor time, which other work on the machine hardly changes.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from benchmarks.support.cell_chain import measure_cells
from benchmarks.support.planned_studies import measure_studies
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step

CELLS, LARGE = (10_000, 100_000, 300_000), 1_000_000
RUNS, MANY = (30, 100, 300), 1_000
WITH_DATA = 100_000  # cells: below, a step's memory is that of the packages that it imports
TOLERANCE = 0.3  # of what is measured


def measure_scaling(
    output: Path,
    rounds: int = 3,
    cells: list[int] | None = None,
    runs: list[int] | None = None,
    genes: int = 5_000,
    folder: Path | None = None,
) -> None:
    """Write the processor seconds and the peak memory of each step by the number of cells, or of runs.

    Args:
        output: The csv file. It is written after every size, so that an interrupted call leaves what it has.
        rounds: How often each size is measured.
        cells: The numbers of cells; those of the fit and of the check by default.
        runs: The numbers of runs; those of the fit and of the check by default.
        genes: The number of genes, of which 5 % are seen in a cell; a fifth of them is modelled.
        folder: The folder for temporary files; the system's by default.
    """
    rows = []
    for number in range(1, rounds + 1):
        for n in runs if runs is not None else [*RUNS, MANY]:
            rows += [{"round": number} | row for row in measure_studies(n)]
            write_record(rows, output)
        for n in cells if cells is not None else [*CELLS, LARGE]:
            with tempfile.TemporaryDirectory(dir=folder, prefix="scaling.") as temporary:
                rows += [{"round": number} | row for row in measure_cells(Path(temporary), n, genes)]
            write_record(rows, output)
    print(foretold_costs(pd.DataFrame(rows)).to_string(index=False))


def foretold_costs(table: pd.DataFrame) -> pd.DataFrame:
    """What the fit to small sizes says of the large one, beside what was measured there.

    Args:
        table: The rows of the benchmark: round, of (cells or runs), n, step, seconds, megabytes.

    Returns:
        A row for each step and cost (seconds or megabytes): the floor a, the cost b of one more, and the median at the
        large size as foretold and as measured (missing where that was not measured).
    """
    medians = table.groupby(["of", "step", "n"], as_index=False, sort=False)[["seconds", "megabytes"]].median()
    rows = []
    for (of, step), costs in medians.groupby(["of", "step"], sort=False):
        large = LARGE if of == "cells" else MANY
        for cost in ("seconds", "megabytes"):
            least = WITH_DATA if of == "cells" and cost == "megabytes" else 0
            small = costs[(costs.n >= least) & (costs.n < large)]
            if len(small) > 1:
                a, b = fit_line(small.n.to_numpy(float), small[cost].to_numpy(float))
                measured = costs.loc[costs.n == large, cost].max()
                row = {"of": of, "step": step, "cost": cost, "a": a, "b": b}
                rows.append(row | {"n": large, "foretold": a + b * large, "measured": measured})
    return pd.DataFrame(rows)


def fit_line(sizes: np.ndarray, costs: np.ndarray) -> tuple[float, float]:
    """Floor and slope of the line whose relative errors have the least sum of squares; neither is below 0.

    Args:
        sizes: Numbers [m] of cells or runs.
        costs: Costs [m].

    Returns:
        a and b of a + b size.
    """
    columns = np.stack([1 / costs, sizes / costs], axis=1)
    scale = columns.max(axis=0)
    (a, b), _ = nnls(columns / scale, np.ones(len(costs)))
    return float(a / scale[0]), float(b / scale[1])


if __name__ == "__main__":
    run_step(measure_scaling)
