"""Step: keep a finished study's metrics as the reference that other people's runs are set beside.

The folder results/reference/{study} holds metrics.csv as it was collected, runs.csv with a line for each run, and
provenance.json: the study's part of config.yaml, commits, devices, machine, versions, and the wall time of each rule.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import yaml

from gmvae.formats.provenance_reader import read_provenance
from gmvae.formats.writing import write_atomically, write_csv, write_json
from gmvae.pipeline import plan
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.reference.wall_times import Job, busy_seconds, most_at_once, processor_name, read_jobs, times_by_rule


def keep_reference(study: str, results: Path, output: Path, config: Path) -> None:
    """Keep the results of the study last run as its reference.

    Args:
        study: The study, an entry of config.yaml's `studies`.
        results: The folder with metrics.csv, runs/ and logs/.
        output: The folder that is written: metrics.csv, runs.csv and provenance.json.
        config: The file config.yaml.

    Raises:
        Refused: The metrics are missing, of another study, or lack a run; a run has no provenance.json; there are no
            benchmark files of the jobs.
    """
    every = yaml.safe_load(config.read_text(encoding="utf-8"))
    chosen = study_part(every, study)
    check_complete(results / "metrics.csv", chosen)
    made = {
        (task, model): read_provenance(results / "runs" / task / model / "provenance.json")
        for task in plan.tasks(chosen)
        for model in plan.models(chosen, task)
    }
    jobs = of_study(read_jobs(results / "logs"), chosen, every)
    output.mkdir(parents=True, exist_ok=True)
    write_csv(pd.DataFrame([run_line(*key, run) for key, run in made.items()]), output / "runs.csv")
    write_json(provenance_summary(chosen, list(made.values()), jobs), output / "provenance.json")
    with write_atomically(output / "metrics.csv") as temporary:
        shutil.copyfile(results / "metrics.csv", temporary)


def study_part(config: dict, study: str) -> dict:
    """The part of the config that the study reads: its entry, and the tasks, data sets and models of it."""
    if study not in config["studies"]:
        raise Refused(f"--study {study}: no entry of `studies` in config.yaml; allowed: {', '.join(config['studies'])}")
    entry = config["studies"][study]
    tasks = {task: config["tasks"][task] for task in entry["tasks"]}
    models = {model for task in tasks.values() for model in task["models"]}
    datasets = {task["dataset"] for task in tasks.values()}
    return {
        "study": study,
        "studies": {study: entry},
        "tasks": tasks,
        "datasets": {name: each for name, each in config["datasets"].items() if name in datasets},
        "models": {name: each for name, each in config["models"].items() if name in models},
        "training": config["training"],
        "names": config["names"],
    }


def check_complete(metrics: Path, chosen: dict) -> None:
    """Refuse metrics that are not those of every run of the study, and of no other."""
    study = chosen["study"]
    remedy = f"run `snakemake --cores all --config study={study}` to its end"
    if not metrics.is_file():
        raise Refused(f"{metrics} is missing: {remedy}")
    table = pd.read_csv(metrics)
    found = set(zip(table.task, table.model, strict=True))
    wanted = {(task, model) for task in plan.tasks(chosen) for model in plan.models(chosen, task)}
    for word, runs in (("lacks", wanted - found), ("has, beyond the study,", found - wanted)):
        if runs:
            named = ", ".join("/".join(run) for run in sorted(runs)[:3])
            raise Refused(f"{metrics} {word} {len(runs)} runs ({named}), so it is not of study {study}: {remedy}")


def of_study(jobs: list[Job], chosen: dict, config: dict) -> list[Job]:
    """The jobs that made something for the study: those of other tasks, data sets and models are left out."""
    others = folders(config) - folders(chosen)
    runs = {(task, model) for task in plan.tasks(chosen) for model in plan.models(chosen, task)}
    return [
        job
        for job in jobs
        if not others & set(job.wildcards)
        and (job.wildcards in runs or not set(job.wildcards[1:]) & config["models"].keys())
    ]


def folders(config: dict) -> set[str]:
    """The names that a result's path has for what it was made of or for: tasks, data sets, sources."""
    sources = {source for dataset in config["datasets"] for source in plan.dataset_sources(config, dataset)}
    return sources | config["tasks"].keys() | config["datasets"].keys()


def run_line(task: str, model: str, made: dict) -> dict:
    """A run's line of runs.csv."""
    return {
        "task": task,
        "model": model,
        "device": made["device"],
        "seeds": " ".join(map(str, made["seeds"])),
        "seconds": made.get("seconds"),
        "commit": made["commit"],
        "dirty": made["dirty"],
        "fingerprint": fingerprint(made),
    }


def fingerprint(made: dict) -> str:
    """What decides a run's digits on one kind of processor, in short: settings, seeds, device, versions, commit."""
    deciding = {key: made[key] for key in ("settings", "seeds", "device", "versions", "commit", "dirty")}
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]


def provenance_summary(chosen: dict, made: list[dict], jobs: list[Job]) -> dict:
    """The content of provenance.json."""
    versions = {}
    for run in made:
        for package, version in run["versions"].items():
            versions.setdefault(package, set()).add(version)
    return {
        "config": chosen,
        "commits": sorted({str(run["commit"]) for run in made}),
        "dirty": any(run["dirty"] for run in made),
        "devices": sorted({run["device"] for run in made}),
        "versions": {package: sorted(each) for package, each in versions.items()},
        "machine": {"cpu": processor_name(), "cores": os.cpu_count(), "hosts": hosts(made)},
        "wall": {
            "seconds": round(busy_seconds(jobs), 1),
            "jobs_at_once": most_at_once(jobs),
            "rules": times_by_rule(jobs),
        },
    }


def hosts(made: list[dict]) -> list[str]:
    """The hosts that the runs were made on: where more than one, `cpu` is that of the last step only."""
    return sorted({str(run["host"]) for run in made if "host" in run})


if __name__ == "__main__":
    run_step(keep_reference)
