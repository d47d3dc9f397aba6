"""Fit what steps cost to small datasets, and foretell a large one: `python -m benchmarks.scaling --output scaling.csv`.

Cells: the steps inspect, prepare, observe, train (one epoch of gmdvae, one seed), embed, export and page, each in its
own process, on blocks of simulated cells. Runs: what Snakemake itself takes to plan a study, to run its jobs if these
do nothing, and to look through a finished one. Time is processor time, which other work on the machine hardly changes.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from benchmarks.support.cell_chain import measure_cells
from benchmarks.support.planned_studies import measure_studies
from benchmarks.support.records import write_record
from gmvae.cells.page import MOST_CELLS
from gmvae.pipeline.command import run_step

CELLS, LARGE = (10_000, 100_000, 300_000), 1_000_000
RUNS, MANY = (30, 100, 300), 1_000
SHOWN = {"cells": (10_000, 1_000_000, 100_000_000), "runs": (10, 1_000, 100_000)}
WITH_DATA = 100_000  # cells: below, a step's memory is that of the packages that it imports
AT_MOST = {"page": MOST_CELLS}  # cells, of which most of a step's cost is
SQUARED = {"jobs"}  # after each job, Snakemake looks at all jobs that could start
TOLERANCE = 0.3  # of what is measured
UNITS = {"seconds": [("days", 86_400), ("hours", 3_600), ("minutes", 60), ("s", 1)]}
UNITS |= {"megabytes": [("TB", 1024**2), ("GB", 1024), ("MB", 1)]}


def measure_scaling(
    output: Path,
    rounds: int = 3,
    cells: list[int] | None = None,
    runs: list[int] | None = None,
    genes: int = 5_000,
    folder: Path | None = None,
    append: bool = False,
) -> None:
    """Write the processor seconds and the peak memory of each step by the number of cells, or of runs.

    Args:
        output: The csv file. It is written after every size, so that an interrupted call leaves what it has.
        rounds: How often each size is measured; 0 only prints what the file foretells.
        cells: The numbers of cells; those of the fit and of the check by default.
        runs: The numbers of runs; those of the fit and of the check by default.
        genes: The number of genes, of which 5 % are seen in a cell; a fifth of them is modelled.
        folder: The folder for temporary files; the system's by default.
        append: Keep the rows that the file has, so that the rounds may be made one by one.
    """
    rows = pd.read_csv(output).to_dict("records") if append and output.is_file() else []
    for number in range(1, rounds + 1):
        for n in cells if cells is not None else [*CELLS, LARGE]:
            with tempfile.TemporaryDirectory(dir=folder, prefix="scaling.") as temporary:
                rows += [{"round": number} | row for row in measure_cells(Path(temporary), n, genes)]
            write_record(rows, output)
        for n in runs if runs is not None else [*RUNS, MANY]:
            rows += [{"round": number} | row for row in measure_studies(n)]
            write_record(rows, output)
    costs = foretold_costs(pd.read_csv(output))
    print(costs.drop(columns=["shown"]).to_string(index=False))
    print("\n".join(cost_lines(costs)))


def foretold_costs(table: pd.DataFrame) -> pd.DataFrame:
    """What the fit to small sizes says of large ones, beside what was measured there.

    Args:
        table: The rows of the benchmark: round, of (cells or runs), n, step, seconds, megabytes.

    Returns:
        A row for each step and cost (seconds or megabytes): the floor a, the cost b of one more and, for steps in
        SQUARED, the cost c of each pair; the median at the large size n as foretold and as measured (missing where that
        was not measured); and the costs foretold for the sizes in SHOWN. More cells than AT_MOST cost no more.
    """
    medians = table.groupby(["of", "step", "n"], as_index=False, sort=False)[["seconds", "megabytes"]].median()
    rows = []
    for (of, step), costs in medians.groupby(["of", "step"], sort=False):
        large, most = LARGE if of == "cells" else MANY, AT_MOST.get(step, np.inf)
        for cost in ("seconds", "megabytes"):
            least = WITH_DATA if of == "cells" and cost == "megabytes" else 0
            small = costs[(costs.n >= least) & (costs.n < large)]
            if len(small) > 1:
                degree = 2 if cost == "seconds" and step in SQUARED else 1
                fit = fit_powers(np.minimum(small.n, most).to_numpy(float), small[cost].to_numpy(float), degree)
                packages = costs.loc[costs.n < large, cost].min() if cost == "megabytes" else 0.0
                foretold, *shown = (max(packages, polynomial(fit, min(n, most))) for n in (large, *SHOWN[of]))
                row = {"of": of, "step": step, "cost": cost, "a": fit[0], "b": fit[1], "c": fit[2:].sum(), "n": large}
                row |= {"foretold": foretold, "measured": costs.loc[costs.n == large, cost].max()}
                rows.append(row | {"shown": shown})
    return pd.DataFrame(rows)


def fit_powers(sizes: np.ndarray, costs: np.ndarray, degree: int = 1) -> np.ndarray:
    """Coefficients of the polynomial whose relative errors have the least sum of squares; none is below 0.

    Args:
        sizes: Numbers [m] of cells or runs.
        costs: Costs [m].
        degree: The highest power of the size.

    Returns:
        Coefficients [degree + 1], the floor first.
    """
    columns = sizes[:, None] ** np.arange(degree + 1) / costs[:, None]
    scale = columns.max(axis=0)
    return nnls(columns / scale, np.ones(len(costs)))[0] / scale


def polynomial(coefficients: np.ndarray, size: float) -> float:
    """The value of a polynomial, the floor's coefficient first."""
    return float(np.polyval(coefficients[::-1], size))


def cost_lines(costs: pd.DataFrame) -> list[str]:
    """The lines of the tables in docs/scale.md, from what `foretold_costs` returns.

    Args:
        costs: What `foretold_costs` returns.

    Returns:
        A line for each step and cost: what is foretold for the sizes in SHOWN, and what was measured for the second.
    """
    names = {"seconds": "time", "megabytes": "memory"}
    lines = []
    for row in costs.itertuples():
        values = [format_cost(value, row.cost) for value in (*row.shown, row.measured)]
        lines.append(f"| {row.step}, {names[row.cost]} | {' | '.join(values)} |")
    return lines


def format_cost(value: float, cost: str) -> str:
    """Seconds or megabytes in the largest unit of which there are two, with two digits."""
    if np.isnan(value):
        return "not measured"
    unit, factor = next((unit for unit in UNITS[cost] if value >= 2 * unit[1]), UNITS[cost][-1])
    return f"{float(f'{value / factor:.2g}'):g} {unit}"


if __name__ == "__main__":
    run_step(measure_scaling)
