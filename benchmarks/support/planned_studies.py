"""What Snakemake takes for itself: to plan a study, and to look through a finished one. No job is run."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.support.child_cost import command_cost
from benchmarks.support.processes import environment
from gmvae.pipeline.sources import ROOT

NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", ".snakemake", "results", "__pycache__", "*.egg-info", ".*_cache")
MODELS = 10  # of each task
TARGET = "results/metrics.csv"


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
    """Plan a study of n runs in a copy of the project, and look through it once its files are there.

    Args:
        n_runs: The number of runs, a multiple of MODELS.

    Returns:
        A row for `plan` and one for `finished`: of, n, step, seconds and megabytes.
    """
    with tempfile.TemporaryDirectory(prefix="scaling.") as folder:
        project = Path(folder, "project")
        shutil.copytree(ROOT, project, ignore=NOT_COPIED)
        (project / "many.yaml").write_text(json.dumps(study_config(n_runs)), encoding="utf-8")
        call = [sys.executable, "-m", "snakemake", TARGET, "--cores", "1", "--configfile", "many.yaml"]
        costs = {"plan": command_cost([*call, "--dry-run", "--quiet", "all"], project)}
        make_empty_outputs(project, call)
        costs["finished"] = command_cost([*call, "--touch", "--quiet", "all"], project)
    rows = [{"of": "runs", "n": n_runs, "step": step} | cost for step, cost in costs.items()]
    print("\n".join(map(json.dumps, rows)), flush=True)
    return rows


def make_empty_outputs(project: Path, call: list[str]) -> None:
    """Write an empty file for each output of a planned call, as --touch only takes files that are there."""
    run = subprocess.run([*call, "-n"], cwd=project, env=environment(1), capture_output=True, text=True, check=True)
    for line in re.findall(r"^ {4}output: (.*)$", run.stdout + run.stderr, re.MULTILINE):
        for file in line.split(", "):
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            (project / file).touch()
