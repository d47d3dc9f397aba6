"""A finished checkout in moments, for tests: made-up figures, the times that Snakemake would have left, a config."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

SEEDS = [0, 1, 2, 3]
CONFIG = {
    "studies": {
        "small": {"title": "Made up", "seeds": SEEDS, "tasks": ["toy", "digits_20"]},
        "other": {"title": "Not run", "seeds": SEEDS, "tasks": ["mars"]},
    },
    "datasets": {
        "toy": {"name": "Toy", "source": "toy", "test_share": 0.2},
        "digits": {"name": "Digits", "source": "digits", "test_share": 0.2},
        "mars": {"name": "Mars", "source": "orbiter", "test_share": 0.2},
    },
    "tasks": {
        "toy": {"dataset": "toy", "labels": "none", "n_components": 5, "models": ["truth", "ae", "gmdvae"]},
        "digits_20": {
            "name": "Digits, 20",
            "dataset": "digits",
            "labels": "none",
            "n_components": 20,
            "models": ["truth", "gmdvae"],
        },
        "mars": {"dataset": "mars", "labels": "none", "n_components": 3, "models": ["ae"]},
    },
    "models": {
        "truth": {"name": "Truth", "baseline": "truth", "space": "pca"},
        "ae": {"name": "AE", "module": "ae"},
        "vade": {"name": "VaDE", "module": "vade"},
        "gmdvae": {"name": "GMΔVAE", "module": "gmdvae"},
    },
    "training": {"epochs": 100},
    "names": {"accuracy": "Accuracy", "purity": "Purity", "objective": "Objective"},
}
# Benchmark file below results/logs, start and end of each job: two overlap, and the last three are not of the study.
JOBS = [
    ("prepare/toy", 100.0, 104.0),
    ("train/toy/ae", 104.0, 110.0),
    ("train/toy/gmdvae", 106.0, 120.0),
    ("collect", 200.0, 201.5),
    ("train/toy/vade", 300.0, 400.0),
    ("prepare/mars", 500.0, 900.0),
    ("fetch/orbiter/rocks.gz", 900.0, 990.0),
]


def metrics(shift: float = 0.0) -> pd.DataFrame:
    """Drawn values for each run of study `small`; `shift` is added to the accuracy of gmdvae on the toy."""
    draws, rows = np.random.default_rng(0), []
    for task, model, names in (
        ("toy", "truth", ["accuracy"]),
        ("toy", "ae", ["objective"]),
        ("toy", "gmdvae", ["accuracy", "objective"]),
        ("digits_20", "truth", ["purity"]),
        ("digits_20", "gmdvae", ["purity", "objective"]),
    ):
        for metric in names:
            base = {"accuracy": 0.8, "purity": 0.7, "objective": -90.0}[metric]
            for seed in SEEDS:
                for split in ("train", "test"):
                    value = 1.0 if model == "truth" else base + 0.01 * draws.standard_normal()
                    value += shift if (task, model, metric) == ("toy", "gmdvae", "accuracy") else 0.0
                    rows.append((task, model, seed, split, metric, value))
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


def made(task: str, model: str) -> dict:
    """What a run of the checkout says of itself."""
    return {
        "settings": {"model": model, "task": task},
        "seeds": SEEDS,
        "device": "cpu",
        "seconds": 1.5,
        "host": "here",
        "date": "2026-01-01T00:00:00+00:00",
        "versions": {"python": "3.11.2"},
        "commit": "c" * 40,
        "dirty": False,
    }


def write_benchmark(logs: Path, name: str, start: float, end: float) -> Path:
    """The file that Snakemake leaves of a job's time, written when the job ended."""
    path = logs / f"{name}.benchmark.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{end - start:.4f}\t0:00:00\t-\n")
    os.utime(path, (end, end))
    return path


def checkout(folder: Path, shift: float = 0.0) -> Path:
    """The folder with results/ and config.yaml of a study that has been run."""
    results = folder / "results"
    table = metrics(shift)
    for task, model in sorted(set(zip(table.task, table.model, strict=True))):
        path = results / "runs" / task / model / "provenance.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(made(task, model)))
    table.to_csv(results / "metrics.csv", index=False, float_format="%.9g")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    for name, start, end in JOBS:
        write_benchmark(results / "logs", name, start, end)
    return folder
