"""What Snakemake takes for itself: to plan a study, to run jobs that do nothing, and to look through what they made."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.support.child_cost import command_cost
from gmvae.pipeline.sources import ROOT

NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", ".snakemake", "results", "__pycache__", "*.egg-info", ".*_cache")
MODELS = 10  # of each task
TARGET = "results/metrics.csv"  # prepare and observe for each task, then three jobs a run, then one
# In place of Python: it writes each file of a command line that is not there yet, which are a job's outputs.
STUB = """#!/bin/sh
for word; do
    case $word in results/*) test -e "$word" || { mkdir -p "${word%/*}"; echo "$word" > "$word"; } ;; esac
done
"""
INTERPRETER = "PYTHON = sys.executable"  # a line of the Snakefile


def study_config(n_runs: int) -> dict:
    """The configuration of a study of n runs: tasks of ten models each, on one small dataset."""
    models = {f"vae{i}": {"name": f"VAE {i}", "module": "vae"} for i in range(MODELS)}
    task = {"dataset": "toy_many", "labels": "none", "n_components": 5, "models": list(models)}
    tasks = [f"toy_many_{i}" for i in range(n_runs // MODELS)]
    return {
        "study": "many",
        "studies": {"many": {"title": "Many", "seeds": [0], "tasks": tasks}},
        "datasets": {"toy_many": {"name": "Toy", "source": "toy", "test_share": 0.2, "settings": {"n_per_group": 12}}},
        "models": models,
        "tasks": dict.fromkeys(tasks, task),
        "thesis": {"figures": {"comparison": "all"}},
    }


def measure_studies(n_runs: int) -> list[dict]:
    """Plan a study of n runs in a copy of the project, run it with jobs that do nothing, and look through it then.

    Args:
        n_runs: The number of runs, a multiple of MODELS.

    Returns:
        A row for each of these steps, `plan`, `jobs` (which plans first) and `finished`: of, n, step, seconds and
        megabytes.
    """
    with tempfile.TemporaryDirectory(prefix="scaling.") as folder:
        project = empty_project(Path(folder, "project"), n_runs)
        call = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "many.yaml", "--quiet", "all"]
        costs = {"plan": command_cost([*call, "--dry-run"], project)}
        costs["jobs"] = command_cost([*call, "--", TARGET], project)
        costs["finished"] = command_cost([*call, "--dry-run", "--", TARGET], project)
    rows = [{"of": "runs", "n": n_runs, "step": step} | cost for step, cost in costs.items()]
    print("\n".join(map(json.dumps, rows)), flush=True)
    return rows


def empty_project(project: Path, n_runs: int) -> Path:
    """A copy of the project with a study of n runs, `many.yaml`, whose jobs write their outputs and do nothing else."""
    shutil.copytree(ROOT, project, ignore=NOT_COPIED)
    (project / "many.yaml").write_text(json.dumps(study_config(n_runs)), encoding="utf-8")
    stub, snakefile = project / "stub.sh", project / "Snakefile"
    stub.write_text(STUB, encoding="utf-8")
    stub.chmod(0o755)
    before, line, after = snakefile.read_text(encoding="utf-8").partition(f"\n{INTERPRETER}\n")
    if not line:
        raise ValueError(f"{snakefile} has no line {INTERPRETER!r}")
    snakefile.write_text(f"{before}\nPYTHON = {str(stub)!r}\n{after}", encoding="utf-8")
    return project
