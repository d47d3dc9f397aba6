"""What Snakemake adds to the work of the steps: `python -m benchmarks.workflow --output workflow.csv`.

A whole study is made in a copy of the project, one job at a time, but for the PDF. Snakemake notes how long each job
took; what the whole call took beyond the sum of the jobs is its own.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.processes import answer
from benchmarks.records import record
from gmvae.pipeline.command import run_step
from gmvae.pipeline.sources import ROOT
from gmvae.reference.wall_times import read_jobs

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".snakemake", "results", "__pycache__", "*.egg-info", ".*_cache")


def workflow(output: Path, study: str = "tiny") -> None:
    """Write the number of jobs and their seconds by rule, those of the whole call, and those of a call that finds
    nothing to do, as csv.

    output: the csv. study: tiny, that of the tests, or one of config.yaml: `embedded` takes twenty minutes.
    """
    with tempfile.TemporaryDirectory(prefix="workflow.") as folder:
        project = Path(folder, "project")
        shutil.copytree(ROOT, project, ignore=LEFT_OUT)
        chosen = ["--configfile", "tests/tiny/config.yaml"] if study == "tiny" else ["--config", f"study={study}"]
        call = [sys.executable, "-m", "snakemake", "results", "--cores", "1", *chosen]
        whole, again = seconds(call, project), seconds(call, project)
        rows = [{"study": study, "rule": rule} | of for rule, of in jobs(project).items()]
    rows.append({"study": study, "rule": "whole call", "jobs": sum(row["jobs"] for row in rows), "seconds": whole})
    rows.append({"study": study, "rule": "nothing to do", "jobs": 0, "seconds": again})
    record(rows, output)


def seconds(call: list[str], folder: Path) -> float:
    """How long a call takes in a folder."""
    started = time.perf_counter()
    answer(call, folder=folder)
    return time.perf_counter() - started


def jobs(project: Path) -> dict[str, dict[str, float]]:
    """How many jobs each rule had, and their seconds, from the benchmark files that Snakemake wrote."""
    rules: dict[str, list[float]] = {}
    for job in read_jobs(project / "results/logs"):
        rules.setdefault(job.rule, []).append(job.end - job.start)
    return {rule: {"jobs": len(times), "seconds": sum(times)} for rule, times in sorted(rules.items())}


if __name__ == "__main__":
    run_step(workflow)
