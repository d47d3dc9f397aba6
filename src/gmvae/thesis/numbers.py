"""Step: every figure that the thesis quotes, as macros that LaTeX looks up by name."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem

from gmvae.formats.likelihoods import LIKELIHOODS
from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_text
from gmvae.metrics.catalogue import decimals
from gmvae.metrics.statistics import picked_seed, rank_correlation, values_by_seed
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis import typeset
from gmvae.thesis.typeset import labels_in_words


def numbers(metrics: Path, data: list[Path], tasks: dict, names: dict, thesis: dict, output: Path) -> None:
    """Write the macros behind \\result, \\fact, \\named, \\meta, \\iftask and the order of the sections.

    metrics: results/metrics.csv; data: the data sets (h5ad); tasks: the study's in its order, each with dataset, labels
    and n_components, and held_out {label, condition} where a response is asked for; names: display names by key
    (models, data sets, metrics, tasks); thesis: author, place, date and other texts of the title page; output:
    results/numbers.tex.
    """
    table = read_metrics(metrics)
    absent = sorted(set(tasks) - set(table.task))
    if absent:
        raise Refused(f"{metrics}: no rows of task {', '.join(absent)}; run `snakemake --cores all {metrics}`")
    lines = ["% Written by gmvae.thesis.numbers: a change here is lost.", rf"\settasks{{{','.join(tasks)}}}"]
    lines += [define_text("task", task, names.get(task, task)) for task in tasks]
    lines += [define_text("meta", key, str(value)) for key, value in sorted(thesis.items()) if isinstance(value, str)]
    lines.append(define_text("meta", "seeds", str(table.seed.nunique())))
    lines += [define_text("name", key, str(name)) for key, name in sorted(names.items())]
    lines += fact_lines({path.stem: dataset_facts(path) for path in sorted(data)}, tasks)
    for task, of_task in table[table.task.isin(tasks)].groupby("task"):
        lines.append(rf"\setfact{{{task}.seeds}}{{{of_task.seed.nunique()}}}")
    for task, of_task in table.groupby("task"):
        for model, metric in of_task.groupby(["model", "metric"]).groups:
            stats = metric_statistics(of_task, task, model, metric)
            lines += [rf"\setresult{{{task}.{model}.{metric}.{stat}}}{{{value}}}" for stat, value in stats.items()]
    write_text("\n".join(lines) + "\n", output)


def fact_lines(by_dataset: dict[str, dict[str, str]], tasks: dict) -> list[str]:
    """The lines that set the facts of data sets and of tasks: a task has its data set's, and what is asked of it."""
    of_tasks = {}
    for task, entry in tasks.items():
        asked = {
            "dataset": entry["dataset"],
            "labels": labels_in_words(entry["labels"]),
            "components": str(entry["n_components"]),
        }
        held = {key: typeset.text(value) for key, value in (entry.get("held_out") or {}).items()}
        of_tasks[task] = by_dataset.get(entry["dataset"], {}) | asked | {f"held_{key}": held[key] for key in held}
    every = by_dataset | of_tasks
    return [rf"\setfact{{{key}.{fact}}}{{{value}}}" for key, found in every.items() for fact, value in found.items()]


def define_text(kind: str, key: str, value: str) -> str:
    """The line that sets a text: `\\setname{vae}{VAE}`."""
    return rf"\set{kind}{{{key}}}{{{typeset.text(value)}}}"


def metric_statistics(table: pd.DataFrame, task: str, model: str, metric: str) -> dict[str, str]:
    """The statistics of one metric over the seeds, on the test split, as LaTeX; empty where it has no values there."""
    by_seed = values_by_seed(table, task, model, metric)
    if by_seed.empty:
        return {}
    found = {"mean": by_seed.mean(), "min": by_seed.min(), "max": by_seed.max()}
    if len(by_seed) > 1:
        found["sd"] = by_seed.std(ddof=1)
    picked = picked_seed(table, task, model)
    if picked in by_seed.index:
        found["picked"] = by_seed[picked]
    stats = {stat: typeset.number(value, decimals(metric)) for stat, value in found.items()}
    rank = rank_correlation(table, task, model, metric)
    return stats if np.isnan(rank) else stats | {"rank": typeset.number(rank, 2)}


def dataset_facts(path: Path) -> dict[str, str]:
    """Facts about a data set, as LaTeX: rows, splits, features, classes, conditions, class sizes, likelihood."""
    try:
        with h5py.File(path) as file:
            obs, features = read_elem(file["obs"]), len(read_elem(file["var"]))
            likelihood = str(read_elem(file["uns/likelihood"]))
    except (OSError, KeyError) as fault:
        remedy = f"remove it and run `snakemake --cores all {path}`"
        raise Refused(f"{path}: no readable data set ({fault}); {remedy}") from fault
    counts = {"n": len(obs), "features": features}
    counts |= {part: int((obs["split"] == part).sum()) for part in ("train", "test")}
    for column, plural in (("label", "classes"), ("condition", "conditions"), ("batch", "batches")):
        if column in obs:
            counts[plural] = obs[column].nunique()
    if "label" in obs:
        sizes = obs["label"].value_counts()
        counts |= {"smallest": int(sizes.min()), "largest": int(sizes.max())}
    return {key: rf"\num{{{count}}}" for key, count in counts.items()} | {
        "likelihood": LIKELIHOODS.get(likelihood, typeset.text(likelihood))
    }


if __name__ == "__main__":
    run_step(numbers)
