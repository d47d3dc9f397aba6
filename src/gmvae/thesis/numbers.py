"""Step: every value that the thesis quotes, as macros that LaTeX looks up by name."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.quality import count_removals, drops_most
from gmvae.formats.writing import write_text
from gmvae.metrics.catalogue import decimals
from gmvae.metrics.statistics import picked_seed, rank_correlation, rank_interval, values_by_seed
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.comparable import add_divergences
from gmvae.thesis.tabular import header_line
from gmvae.thesis.typeset import (
    NAME_LETTERS,
    format_fixed,
    labels_in_words,
    latex_name,
    latex_number,
    latex_text,
    shorten_names,
)


def write_numbers(
    metrics: Path, data: list[Path], tasks: dict, figures: list[str], names: dict, thesis: dict, output: Path
) -> None:
    r"""Write the macros behind \result, \fact, \named, \meta, \iftask, \iffigure and the order of the sections.

    Args:
        metrics: The collected metrics, results/metrics.csv.
        data: The datasets, h5ad.
        tasks: The study's tasks in its order, each with dataset, labels and n_components, and with held_out
            {label, condition} where a response is predicted.
        figures: The study's figures, as TASK/FIGURE.
        names: Display names of models, datasets, metrics, likelihoods and tasks by key.
        thesis: Author, place, date and other texts of the title page by key.
        output: The LaTeX file to write, results/numbers.tex.

    Raises:
        Refused: A task has no rows in the metrics, or a dataset is not readable.
    """
    table = add_divergences(read_metrics(metrics))
    absent = sorted(set(tasks) - set(table.task))
    if absent:
        raise Refused(f"{metrics}: no rows of task {', '.join(absent)}; run `snakemake --cores all {metrics}`")
    names = shorten_names(names, NAME_LETTERS)
    texts = {key: value for key, value in sorted(thesis.items()) if isinstance(value, str)}
    texts |= {"seeds": str(table.seed.nunique())}
    lines = [
        header_line("gmvae.thesis.numbers"),
        rf"\settasks{{{','.join(tasks)}}}",
        *(define_text("task", task, names.get(task, task)) for task in tasks),
        *(rf"\setfigure{{{figure}}}" for figure in figures),
        *(define_text("meta", key, value) for key, value in texts.items()),
        *(define_text("name", key, str(name)) for key, name in sorted(names.items())),
        *fact_lines({path.stem: dataset_facts(path, names) for path in sorted(data)}, tasks),
        *seed_lines(table[table.task.isin(tasks)]),
        *result_lines(table),
    ]
    write_text("\n".join(lines) + "\n", output)


def fact_lines(facts_by_dataset: dict[str, dict[str, str]], tasks: dict) -> list[str]:
    """The lines that set the facts of datasets and of tasks: a task has its dataset's facts and its own settings."""
    task_facts = {}
    for task, entry in tasks.items():
        held_out = entry.get("held_out") or {}
        settings = {
            "dataset": entry["dataset"],
            "labels": labels_in_words(entry["labels"]),
            "components": str(entry["n_components"]),
        } | {f"held_{key}": latex_name(value) for key, value in held_out.items()}
        settings |= {"sweep": ""} if entry.get("sweep") else {}
        task_facts[task] = facts_by_dataset.get(entry["dataset"], {}) | settings
    of_study = {"study": {"sweep": ""}} if any("sweep" in facts for facts in task_facts.values()) else {}
    return [
        rf"\setfact{{{key}.{fact}}}{{{value}}}"
        for key, facts in (facts_by_dataset | task_facts | of_study).items()
        for fact, value in facts.items()
    ]


def seed_lines(table: pd.DataFrame) -> list[str]:
    """The lines that set the number of seeds of each task."""
    return [rf"\setfact{{{task}.seeds}}{{{n_seeds}}}" for task, n_seeds in table.groupby("task").seed.nunique().items()]


def result_lines(table: pd.DataFrame) -> list[str]:
    """The lines that set the statistics of every metric of every run."""
    lines = []
    for task, of_task in table.groupby("task"):
        for model, metric in of_task.groupby(["model", "metric"]).groups:
            stats = metric_statistics(of_task, task, model, metric)
            lines += [rf"\setresult{{{task}.{model}.{metric}.{stat}}}{{{value}}}" for stat, value in stats.items()]
    return lines


def define_text(kind: str, key: str, value: str) -> str:
    r"""The line that sets a text: `\setname{vae}{VAE}`."""
    return rf"\set{kind}{{{key}}}{{{latex_text(value) if kind == 'meta' else latex_name(value)}}}"


def metric_statistics(table: pd.DataFrame, task: str, model: str, metric: str) -> dict[str, str]:
    """The statistics of one metric over the seeds, on the test split, as LaTeX; empty where it has no values there."""
    by_seed = values_by_seed(table, task, model, metric)
    if by_seed.empty:
        return {}
    values = {"mean": by_seed.mean(), "min": by_seed.min(), "max": by_seed.max()}
    if len(by_seed) > 1:
        values["sd"] = by_seed.std(ddof=1)
    picked = picked_seed(table, task, model)
    if picked in by_seed.index:
        values["picked"] = by_seed[picked]
    stats = {stat: latex_number(value, decimals(metric)) for stat, value in values.items()}
    rank = rank_correlation(table, task, model, metric)
    return stats if np.isnan(rank) else stats | {"rank": rank_text(rank, len(by_seed))}


def rank_text(rank: float, n_seeds: int) -> str:
    """A rank correlation with its interval, and whether that includes zero, as LaTeX; alone where it has none."""
    interval = rank_interval(rank, n_seeds)
    if interval is None:
        return latex_number(rank, 2)
    low, high = (latex_number(end, 2) for end in interval)
    words = "includes" if interval[0] <= 0 <= interval[1] else "does not include"
    return f"{latex_number(rank, 2)} ({low} to {high}, which {words} zero)"


def dataset_facts(path: Path, names: dict) -> dict[str, str]:
    """Facts of a dataset, as LaTeX: rows, splits, features, classes, conditions, class sizes, quality, likelihood."""
    try:
        with h5py.File(path) as file:
            obs, features = read_elem(file["obs"]), len(read_elem(file["var"]))
            likelihood = str(read_elem(file["uns/likelihood"]))
            quality = read_elem(file["uns/quality"]) if "quality" in file["uns"] else None
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
    facts = {key: rf"\num{{{count}}}" for key, count in counts.items()}
    if counts["test"]:
        facts["row_error"] = latex_number(largest_share_error(counts["test"]), 3)
    facts |= quality_facts(quality) if quality else {}
    return facts | {"likelihood": latex_text(names.get(likelihood, likelihood))}


def largest_share_error(n_rows: int) -> float:
    """The largest standard error, over the draw of the rows, of a share that is counted on them.

    Args:
        n_rows: How many rows there are, at least 1.

    Returns:
        That of a share of one half.

    Source: thesis, eq:row-error.
    """
    return 0.5 / n_rows**0.5


def quality_facts(quality: dict) -> dict[str, str]:
    """Facts about the quality control of cells, as LaTeX: how many cells it was given and dropped, and for what."""
    removals, n_cells = count_removals(quality), len(quality["removed"])
    n_dropped = sum(removals.values())
    facts = {"raw_cells": rf"\num{{{n_cells}}}", "dropped": rf"\num{{{n_dropped}}}"}
    facts["dropped_share"] = rf"\qty{{{format_fixed(100 * n_dropped / n_cells, 1)}}}{{\percent}}"
    if removals:
        parts = [rf"\num{{{count}}} by \code{{{latex_text(reason)}}}" for reason, count in removals.items()]
        facts["dropped_by"] = ", ".join(parts).replace(r"by \code{unlabelled}", "without a label")
    return facts | ({"mostly_dropped": ""} if drops_most(quality) else {})


if __name__ == "__main__":
    run_step(write_numbers)
