"""Runs that are to be compared: each in a process of its own, in turn, so that a machine that slows down slows both."""

import json
import os
import subprocess
import sys
from pathlib import Path

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT

LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA")


def alternated(cases: dict[str, list[str]], rounds: int, threads: int = 1, **said: object) -> list[dict]:
    """One row per round and case: what the case's process printed as JSON, beside its name, the round and `said`.

    cases: by name, the module and the options of a Python process. Each row is printed as it comes.
    """
    rows = []
    for number in range(rounds):
        for case, command in cases.items():
            row = said | {"case": case, "threads": threads, "round": number + 1}
            rows.append(row | printed(command, threads))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def printed(command: list[str], threads: int = 1) -> dict:
    """The JSON object in the last line that `python -m {command}` prints."""
    return json.loads(answer([sys.executable, "-m", *command], threads).strip().splitlines()[-1])


def answer(command: list[str], threads: int = 1, folder: Path = ROOT) -> str:
    """What a command prints when it is run in a folder. Raises Refused where it fails, with the last it said."""
    options = {"cwd": folder, "env": environment(threads), "capture_output": True, "text": True, "check": False}
    process = subprocess.run(command, **options)
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        raise Refused(f"{' '.join(command)[:300]}: exit status {process.returncode}: {last}")
    return process.stdout


def environment(threads: int) -> dict[str, str]:
    """The environment of every measured process: this checkout's code, so many threads."""
    fixed = {f"{library}_NUM_THREADS": str(threads) for library in LIBRARIES}
    return os.environ | fixed | {"PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "Agg"}
