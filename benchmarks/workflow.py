"""Measure what Snakemake adds to the work of the steps: `python -m benchmarks.workflow --output workflow.csv`.

A whole study is made in a copy of the project, one job at a time, but for the PDF. Snakemake notes how long each job
took; what the whole call took beyond the sum of the jobs is its own.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.support.processes import run_command
from benchmarks.support.records import write_record
from gmvae.pipeline.command import run_step
from gmvae.pipeline.sources import ROOT
from gmvae.reference.wall_times import read_jobs

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
    """How many jobs each rule had, and their seconds, from the benchmark files that Snakemake wrote."""
    rules: dict[str, list[float]] = {}
    for job in read_jobs(project / "results/logs"):
        rules.setdefault(job.rule, []).append(job.end - job.start)
    return {rule: {"jobs": len(times), "seconds": sum(times)} for rule, times in sorted(rules.items())}


if __name__ == "__main__":
    run_step(measure_workflow)
