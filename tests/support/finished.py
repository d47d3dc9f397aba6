"""A finished checkout in moments, for tests: made-up figures, the records that Snakemake would have left, a config."""

import base64
import json
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
        "gmdvae": {"name": "GMΔVAE", "module": "gmdvae"},
    },
    "training": {"epochs": 100},
    "names": {"accuracy": "Accuracy", "purity": "Purity", "objective": "Objective"},
}
# Outputs, log, rule, start and end of each job: two overlap, one has two outputs, the last three are not of the study.
JOBS = [
    (["results/data/toy.h5ad"], "prepare/toy", "prepare", 100.0, 104.0),
    (
        ["results/runs/toy/ae/weights.safetensors", "results/runs/toy/ae/history.csv"],
        "train/toy/ae",
        "train",
        104.0,
        110,
    ),
    (["results/runs/toy/gmdvae/weights.safetensors"], "train/toy/gmdvae", "train", 106.0, 120.0),
    (["results/metrics.csv"], "collect", "collect", 200.0, 201.5),
    (["results/runs/toy/vade/weights.safetensors"], "train/toy/vade", "train", 300.0, 400.0),
    (["results/data/mars.h5ad"], "prepare/mars", "prepare", 500.0, 900.0),
    (["results/raw/orbiter/rocks.gz"], "fetch/orbiter/rocks.gz", "fetch", 900.0, 990.0),
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


def record(records: Path, output: str, log: str, rule: str, start: float, end: float) -> None:
    """One of Snakemake's records, in folders where its name would be too long."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    path = records / name if len(name) < 50 else records / f"@{name[:40]}" / name[40:]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"rule": rule, "starttime": start, "endtime": end, "log": [f"results/logs/{log}.log"]}
    path.write_text(json.dumps(content))


def checkout(folder: Path, shift: float = 0.0) -> Path:
    """The folder with results/, config.yaml and .snakemake/metadata of a study that has been run."""
    results = folder / "results"
    table = metrics(shift)
    for task, model in sorted(set(zip(table.task, table.model, strict=True))):
        path = results / "runs" / task / model / "provenance.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(made(task, model)))
    table.to_csv(results / "metrics.csv", index=False, float_format="%.9g")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    for outputs, log, rule, start, end in JOBS:
        for place, output in enumerate(outputs):
            record(folder / ".snakemake/metadata", output, log, rule, start + 0.01 * place, end + 0.01 * place)
    return folder
