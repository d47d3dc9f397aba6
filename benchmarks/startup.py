"""How long each step takes to begin, and what it imports: `python -m benchmarks.startup --output startup.csv`.

A step is a module of this project that is run as a command; its `--help` imports all that it does on any call, but for
the one model, reader or baseline that it is asked for.
"""

import json
import sys
import time
from pathlib import Path

from benchmarks.processes import answer
from benchmarks.records import record
from gmvae.pipeline.command import run_step
from gmvae.pipeline.sources import step_modules

HEAVY = ("torch", "scanpy", "umap", "numba", "sklearn", "igraph", "seaborn", "anndata", "pandas", "matplotlib", "scipy")


def startup(output: Path, rounds: int = 5) -> None:
    """Write the seconds that `python -m <step> --help` takes, and the large packages that the step imports, as csv.

    output: the csv. rounds: how often each step is called, all of them in turn.
    """
    found = {step: imported(step) for step in step_modules()}
    rows = []
    for number in range(rounds):
        rows.append({"step": "python", "round": number + 1, "seconds": seconds(["-c", "pass"]), "imports": ""})
        for step, packages in found.items():
            row = {"step": step.removeprefix("gmvae."), "round": number + 1, "seconds": seconds(["-m", step, "--help"])}
            rows.append(row | {"imports": " ".join(packages)})
    record(rows, output)


def seconds(arguments: list[str]) -> float:
    """How long this Python takes for the arguments, from its start to its end."""
    started = time.perf_counter()
    answer([sys.executable, *arguments])
    return time.perf_counter() - started


def imported(module: str) -> list[str]:
    """The large packages that importing the module brings in."""
    code = f"import {module}, json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    return json.loads(answer([sys.executable, "-c", code]))


if __name__ == "__main__":
    run_step(startup)
