"""Measure how long each step takes to start, and what it imports: `python -m benchmarks.startup --output startup.csv`.

A step is a module of this project that runs as a command. Its `--help` imports everything that any call imports, except
for the one model, reader or baseline that a call names.
"""

import json
import sys
import time
from pathlib import Path

from benchmarks.support.processes import run_command
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step
from gmvae.pipeline.sources import step_modules

LARGE = ("torch", "scanpy", "umap", "numba", "sklearn", "igraph", "seaborn", "anndata", "pandas", "matplotlib", "scipy")


def measure_startup(output: Path, rounds: int = 5) -> None:
    """Write the seconds that `python -m <step> --help` takes, and the large packages that the step imports.

    Args:
        output: The csv file.
        rounds: How often each step is called, all of them in turn.
    """
    packages = {step: imported_packages(step) for step in step_modules()}
    rows = []
    for number in range(1, rounds + 1):
        rows.append({"step": "python", "round": number, "seconds": wall_seconds(["-c", "pass"]), "imports": ""})
        for step, imports in packages.items():
            row = {
                "step": step.removeprefix("gmvae."),
                "round": number,
                "seconds": wall_seconds(["-m", step, "--help"]),
            }
            rows.append(row | {"imports": " ".join(imports)})
    write_record(rows, output)


def wall_seconds(arguments: list[str]) -> float:
    """How long this Python takes for the arguments, from its start to its end."""
    started = time.perf_counter()
    run_command([sys.executable, *arguments])
    return time.perf_counter() - started


def imported_packages(module: str) -> list[str]:
    """The large packages that are imported together with a module."""
    code = f"import {module}, json, sys; print(json.dumps([name for name in {LARGE} if name in sys.modules]))"
    return json.loads(run_command([sys.executable, "-c", code]))


if __name__ == "__main__":
    run_step(measure_startup)
