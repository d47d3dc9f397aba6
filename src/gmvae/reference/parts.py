"""A reference that is kept in parts: a long study is run in several sittings, some tasks after the others."""

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gmvae.formats.metrics_table import read_metrics_text
from gmvae.metrics.collect import KEY
from gmvae.pipeline import plan, step_options
from gmvae.pipeline.errors import Refused

REMEDY = "check out results/reference again"


class Part(NamedTuple):
    """What is kept of some tasks of a study: the content of metrics.csv, runs.csv and provenance.json."""

    metrics: pd.DataFrame
    runs: pd.DataFrame
    summary: dict


def limit_to_tasks(chosen: dict, tasks: list[str]) -> dict:
    """The study's part of the config, with some of its tasks only, in the study's order.

    Args:
        chosen: The study's part of the config.
        tasks: The tasks to leave.

    Returns:
        The part, its entry of `studies` included.

    Raises:
        Refused: A task is not of the study.
    """
    study = chosen["study"]
    for task in tasks:
        if task not in chosen["tasks"]:
            raise Refused(f"--tasks {task}: no task of study {study}; allowed: {', '.join(plan.tasks(chosen))}")
    entry = chosen["studies"][study]
    left = [task for task in entry["tasks"] if task in tasks]
    return chosen | {
        "studies": {study: entry | {"tasks": left}},
        "tasks": {task: chosen["tasks"][task] for task in left},
    }


def metrics_of_tasks(chosen: dict, results: Path) -> pd.DataFrame:
    """The metrics of the tasks, from their runs' own files.

    Args:
        chosen: The study's part of the config, with these tasks.
        results: The folder with runs/.

    Returns:
        A sorted table with the columns of metrics.csv, the values as text.

    Raises:
        Refused: A run is not finished.
    """
    remedy = f"run `snakemake --cores all --config study={chosen['study']}` until the task is finished"
    files = [results / Path(file).relative_to("results") for file in step_options.measures_files(chosen)]
    return pd.concat([read_metrics_text(file, remedy) for file in files], ignore_index=True).sort_values(KEY)


def read_part(folder: Path) -> Part | None:
    """What a folder keeps; None where there is none."""
    if not (folder / "provenance.json").is_file():
        return None
    summary = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    runs = pd.read_csv(folder / "runs.csv", dtype=str, keep_default_na=False)
    return Part(read_metrics_text(folder / "metrics.csv", REMEDY), runs, summary)


def add_part(earlier: Part | None, new: Part, chosen: dict) -> Part:
    """The earlier part with the new one added to it.

    Args:
        earlier: What is kept so far. Its tasks that the study no longer has, or has with other entries, other models,
            other training settings or other seeds, are left out: they are results of another study.
        new: The part to add; it replaces the earlier results of its tasks.
        chosen: The whole study's part of the config.

    Returns:
        Both parts; seconds and jobs are those of both together.
    """
    kept = (
        [] if earlier is None else tasks_to_keep(earlier.summary["config"], chosen, plan.tasks(new.summary["config"]))
    )
    if not kept:
        return new
    tasks = kept + plan.tasks(new.summary["config"])
    runs = pd.concat([earlier.runs[earlier.runs.task.isin(kept)], new.runs.astype(str)])
    metrics = pd.concat([earlier.metrics[earlier.metrics.task.isin(kept)], new.metrics]).sort_values(KEY)
    return Part(
        metrics, runs, join_summaries(earlier.summary, new.summary, runs) | {"config": limit_to_tasks(chosen, tasks)}
    )


def tasks_to_keep(before: dict, now: dict, replaced: list[str]) -> list[str]:
    """The tasks of an earlier part that the study still has, unchanged, and that the new part does not replace."""
    return [
        task
        for task in plan.tasks(before)
        if task in now["tasks"]
        and task not in replaced
        and plan.seeds(before) == plan.seeds(now)
        and task_settings(before, task) == task_settings(now, task)
    ]


def task_settings(config: dict, task: str) -> dict:
    """What decides the results of a task, as far as the config has it."""
    entry = {key: value for key, value in config["tasks"][task].items() if key != "name"}
    models = {model: {k: v for k, v in config["models"][model].items() if k != "name"} for model in entry["models"]}
    dataset = config["datasets"][entry["dataset"]]
    return {"task": entry, "models": models, "dataset": dataset, "training": config["training"]}


def join_summaries(one: dict, other: dict, runs: pd.DataFrame) -> dict:
    """The provenance of two parts; `runs` are the lines of all runs in them. The machine is that of the later part."""
    packages = one["versions"].keys() | other["versions"].keys()
    walls = one["wall"], other["wall"]
    rules = walls[0]["rules"].keys() | walls[1]["rules"].keys()
    return {
        "commits": sorted(runs.commit.unique()),
        "dirty": bool((runs.dirty.astype(str) == "True").any()),
        "devices": sorted(runs.device.unique()),
        "versions": {p: sorted({*one["versions"].get(p, []), *other["versions"].get(p, [])}) for p in packages},
        "machine": other["machine"] | {"hosts": sorted({*one["machine"]["hosts"], *other["machine"]["hosts"]})},
        "wall": {
            "seconds": round(sum(wall["seconds"] for wall in walls), 1),
            "jobs_at_once": max(wall["jobs_at_once"] for wall in walls),
            "rules": {rule: join_times(*(wall["rules"].get(rule) for wall in walls)) for rule in rules},
        },
    }


def join_times(one: dict | None, other: dict | None) -> dict:
    """The times of a rule in two parts."""
    if one is None or other is None:
        return one or other
    both = {key: round(one[key] + other[key], 1) for key in ("jobs", "sum_s")}
    return both | {"max_s": max(one["max_s"], other["max_s"])}
