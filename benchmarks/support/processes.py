"""Run the cases of a comparison: each in its own process and in turn, so that a slow moment of the machine hits all."""

import json
import os
import subprocess
import sys
from pathlib import Path

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT

LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA")


def run_in_turn(cases: dict[str, list[str]], rounds: int, threads: int = 1, **columns: object) -> list[dict]:
    """Run every case once per round, and print each row of the result as soon as it is there.

    Args:
        cases: By name, the module and the options of a Python process that prints a JSON object.
        rounds: How often each case runs.
        threads: The number of compute threads of each process.
        columns: Further columns of all rows.

    Returns:
        One row per round and case: the columns, the case, the threads, the round, and the printed object.
    """
    rows = []
    for number in range(rounds):
        for case, command in cases.items():
            row = columns | {"case": case, "threads": threads, "round": number + 1}
            rows.append(row | run_module(command, threads))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def run_module(command: list[str], threads: int = 1) -> dict:
    """The JSON object in the last line that `python -m {command}` prints."""
    return json.loads(run_command([sys.executable, "-m", *command], threads).strip().splitlines()[-1])


def run_command(command: list[str], threads: int = 1, folder: Path = ROOT) -> str:
    """Run a command in a folder and return what it prints.

    Raises:
        Refused: The command fails; the message has the last line of its error output.
    """
    options = {"cwd": folder, "env": environment(threads), "capture_output": True, "text": True, "check": False}
    process = subprocess.run(command, **options)
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        raise Refused(f"{' '.join(command)[:300]}: exit status {process.returncode}: {last}")
    return process.stdout


def environment(threads: int) -> dict[str, str]:
    """The environment variables of a measured process: the code of this checkout, and a number of threads."""
    limits = {f"{library}_NUM_THREADS": str(threads) for library in LIBRARIES}
    return os.environ | limits | {"PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "Agg"}
