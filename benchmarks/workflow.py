"""Measure what Snakemake adds to the work of the steps: `python -m benchmarks.workflow --output workflow.csv`.

A whole study but for the PDF runs in a copy of the project, one job at a time. Snakemake records the start and the end
of each job; what the whole call takes beyond the sum of the jobs is Snakemake's own time.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.support.processes import run_command
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step
from gmvae.pipeline.sources import ROOT

NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", ".snakemake", "results", "__pycache__", "*.egg-info", ".*_cache")


def measure_workflow(output: Path, study: str = "tiny") -> None:
    """Write the jobs and their seconds by rule, and the seconds of the whole call and of one that finds nothing to do.

    Args:
        output: The csv file.
        study: The study: tiny, which is that of the tests, or one of config.yaml. `embedded` takes twenty minutes.
    """
    with tempfile.TemporaryDirectory(prefix="workflow.") as folder:
        project = Path(folder, "project")
        shutil.copytree(ROOT, project, ignore=NOT_COPIED)
        chosen = ["--configfile", "tests/tiny/config.yaml"] if study == "tiny" else ["--config", f"study={study}"]
        command = [sys.executable, "-m", "snakemake", "results", "--cores", "1", *chosen]
        first, second = wall_seconds(command, project), wall_seconds(command, project)
        rows = [{"study": study, "rule": rule} | work for rule, work in work_by_rule(project).items()]
    rows.append({"study": study, "rule": "whole call", "jobs": sum(row["jobs"] for row in rows), "seconds": first})
    rows.append({"study": study, "rule": "nothing to do", "jobs": 0, "seconds": second})
    write_record(rows, output)


def wall_seconds(command: list[str], folder: Path) -> float:
    """How long a command takes in a folder."""
    started = time.perf_counter()
    run_command(command, folder=folder)
    return time.perf_counter() - started


def work_by_rule(project: Path) -> dict[str, dict[str, float]]:
    """The number of jobs of each rule and their seconds, from Snakemake's records, which hold a job once per output."""
    paths = [path for path in (project / ".snakemake/metadata").rglob("*") if path.is_file()]
    outputs = pd.DataFrame([json.loads(path.read_text(encoding="utf-8")) for path in paths])
    jobs = outputs.groupby("shellcmd").agg(rule=("rule", "first"), start=("starttime", "min"), end=("endtime", "max"))
    work = (jobs["end"] - jobs["start"]).groupby(jobs["rule"]).agg(["size", "sum"])
    return {str(rule): {"jobs": int(row["size"]), "seconds": float(row["sum"])} for rule, row in work.iterrows()}


if __name__ == "__main__":
    run_step(measure_workflow)
