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

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.provenance_reader import read_provenance
from gmvae.formats.writing import write_atomically, write_csv, write_json
from gmvae.pipeline import dataset_plan, plan
from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.reference.parts import Part, add_part, limit_to_tasks, metrics_of_tasks, read_part
from gmvae.reference.wall_times import Job, busy_seconds, most_at_once, processor_name, read_jobs, times_by_rule


def keep_reference(study: str, results: Path, output: Path, config: Path, tasks: list[str] | None = None) -> None:
    """Keep the results of the study last run as its reference, or those of some of its tasks.

    Args:
        study: The study, an entry of config.yaml's `studies`.
        results: The folder with metrics.csv, runs/ and logs/.
        output: The folder that is written: metrics.csv, runs.csv and provenance.json.
        config: The file config.yaml.
        tasks: Finished tasks of an unfinished study: they are added to what the folder keeps, and only their runs'
            own files are read. Without it, the whole study.

    Raises:
        Refused: The metrics are missing, of another study, or lack a run; a run has no provenance.json; there are no
            benchmark files of the jobs.
    """
    every = read_config(config)
    whole = study_part(every, study)
    chosen = limit_to_tasks(whole, tasks) if tasks else whole
    if tasks:
        metrics = metrics_of_tasks(chosen, results)
    else:
        check_complete(results / "metrics.csv", chosen)
    made = {
        (task, model): read_provenance(results / "runs" / task / model / "provenance.json")
        for task in plan.tasks(chosen)
        for model in plan.models(chosen, task)
    }
    jobs = of_study(read_jobs(results / "logs"), chosen, every)
    runs = pd.DataFrame([run_line(*key, run) for key, run in made.items()])
    summary = provenance_summary(chosen, list(made.values()), jobs)
    output.mkdir(parents=True, exist_ok=True)
    if tasks:
        metrics, runs, summary = add_part(read_part(output), Part(metrics, runs, summary), whole)
        write_csv(metrics, output / "metrics.csv")
    else:
        with write_atomically(output / "metrics.csv") as temporary:
            shutil.copyfile(results / "metrics.csv", temporary)
    write_csv(runs, output / "runs.csv")
    write_json(summary, output / "provenance.json")


def study_part(config: dict, study: str) -> dict:
    """The part of the config that the study reads: its entry with its tasks, their datasets and their models."""
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
        "datasets": {name: dataset for name, dataset in config["datasets"].items() if name in datasets},
        "models": {name: model for name, model in config["models"].items() if name in models},
        "training": config["training"],
        "names": config["names"],
    }


def check_complete(metrics: Path, chosen: dict) -> None:
    """Refuse metrics that lack a run of the study, or have a run of another study."""
    study = chosen["study"]
    remedy = f"run `snakemake --cores all --config study={study}` to its end"
    table = read_metrics(metrics, remedy)
    measured = set(zip(table.task, table.model, strict=True))
    planned = {(task, model) for task in plan.tasks(chosen) for model in plan.models(chosen, task)}
    for fault, runs in (("lacks", planned - measured), ("has, beyond the study,", measured - planned)):
        if runs:
            examples = ", ".join("/".join(run) for run in sorted(runs)[:3])
            raise Refused(f"{metrics} {fault} {len(runs)} runs ({examples}), so it is not of study {study}: {remedy}")


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
    sources = {source for dataset in config["datasets"] for source in dataset_plan.dataset_sources(config, dataset)}
    return sources | config["tasks"].keys() | config["datasets"].keys()


def run_line(task: str, model: str, record: dict) -> dict:
    """A run's line of runs.csv, from its provenance."""
    return {
        "task": task,
        "model": model,
        "device": record["device"],
        "seeds": " ".join(map(str, record["seeds"])),
        "seconds": record.get("seconds"),
        "commit": record["commit"],
        "dirty": record["dirty"],
        "fingerprint": fingerprint(record),
    }


def fingerprint(record: dict) -> str:
    """A short hash of what decides a run's digits on one kind of processor.

    Args:
        record: The run's provenance.json.

    Returns:
        16 hexadecimal digits of its settings, seeds, device, precision, versions and commit.
    """
    keys = ("settings", "seeds", "device", "precision", "versions", "commit", "dirty")
    deciding = {key: record[key] for key in keys if key in record}  # a baseline has no precision of its own
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]


def provenance_summary(chosen: dict, records: list[dict], jobs: list[Job]) -> dict:
    """The content of provenance.json, from the provenance of all runs. The processor is that of the last step only."""
    versions = {}
    for record in records:
        for package, version in record["versions"].items():
            versions.setdefault(package, set()).add(version)
    hosts = sorted({str(record["host"]) for record in records if "host" in record})
    return {
        "config": chosen,
        "commits": sorted({str(record["commit"]) for record in records}),
        "dirty": any(record["dirty"] for record in records),
        "devices": sorted({record["device"] for record in records}),
        "versions": {package: sorted(of_package) for package, of_package in versions.items()},
        "machine": {"cpu": processor_name(), "cores": os.cpu_count(), "hosts": hosts},
        "wall": {
            "seconds": round(busy_seconds(jobs), 1),
            "jobs_at_once": most_at_once(jobs),
            "rules": times_by_rule(jobs),
        },
    }


if __name__ == "__main__":
    run_step(keep_reference)
