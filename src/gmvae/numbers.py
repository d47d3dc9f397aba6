"""Step: every figure that the thesis quotes, as macros that LaTeX looks up by name."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem

from gmvae import command, evidence, typeset
from gmvae.errors import Refused
from gmvae.files import write_text

COLUMNS = ["task", "model", "seed", "split", "metric", "value"]
LIKELIHOODS = {
    "bernoulli": "Bernoulli",
    "normal": "normal",
    "negative_binomial": "negative binomial",
    "zero_inflated_negative_binomial": "zero-inflated negative binomial",
}


def numbers(metrics: Path, data: list[Path], tasks: dict, names: dict, thesis: dict, output: Path) -> None:
    """Write the macros behind \\result, \\fact, \\named, \\meta, \\iftask and the order of the sections.

    metrics: results/metrics.csv; data: the data sets (h5ad); tasks: the study's in its order, each with dataset, labels
    and n_components, and held_out {label, condition} where a response is asked for; names: display names by key
    (models, data sets, metrics, tasks); thesis: author, place, date and other texts of the title page; output:
    results/numbers.tex.
    """
    table = metrics_of(metrics)
    absent = sorted(set(tasks) - set(table.task))
    if absent:
        raise Refused(f"{metrics}: no rows of task {', '.join(absent)}; run `snakemake --cores all {metrics}`")
    lines = ["% Written by gmvae.numbers: a change here is lost.", rf"\settasks{{{','.join(tasks)}}}"]
    lines += [define("task", task, names.get(task, task)) for task in tasks]
    lines += [define("meta", key, str(value)) for key, value in sorted(thesis.items()) if isinstance(value, str)]
    lines.append(define("meta", "seeds", str(table.seed.nunique())))
    lines += [define("name", key, str(name)) for key, name in sorted(names.items())]
    lines += fact_lines({path.stem: facts(path) for path in sorted(data)}, tasks)
    for task, of_task in table[table.task.isin(tasks)].groupby("task"):
        lines.append(rf"\setfact{{{task}.seeds}}{{{of_task.seed.nunique()}}}")
    for task, of_task in table.groupby("task"):
        for model, metric in of_task.groupby(["model", "metric"]).groups:
            stats = summary(of_task, task, model, metric)
            lines += [rf"\setresult{{{task}.{model}.{metric}.{stat}}}{{{value}}}" for stat, value in stats.items()]
    write_text("\n".join(lines) + "\n", output)


def fact_lines(by_dataset: dict[str, dict[str, str]], tasks: dict) -> list[str]:
    """The lines that set the facts of data sets and of tasks: a task has its data set's, and what is asked of it."""
    of_tasks = {}
    for task, entry in tasks.items():
        asked = {"dataset": entry["dataset"], "labels": seen(entry["labels"]), "components": str(entry["n_components"])}
        held = {key: typeset.text(value) for key, value in (entry.get("held_out") or {}).items()}
        of_tasks[task] = by_dataset.get(entry["dataset"], {}) | asked | {f"held_{key}": held[key] for key in held}
    every = by_dataset | of_tasks
    return [rf"\setfact{{{key}.{fact}}}{{{value}}}" for key, found in every.items() for fact, value in found.items()]


def seen(labels: object) -> str:
    """What of the labels a model may see, in words, as LaTeX."""
    words = {"none": "no label is seen", "all": "all labels are seen", "louvain": "Louvain clusters are seen as labels"}
    if labels in words:
        return words[labels]
    if isinstance(labels, str):
        kind, _, value = labels.partition(":")
        return rf"the labels of the {typeset.text(kind)} \code{{{typeset.text(value)}}} are seen"
    if labels < 1:
        return rf"\qty{{{100 * labels:g}}}{{\percent}} of the labels are seen"
    return rf"\num{{{labels}}} labels are seen"


def define(kind: str, key: str, value: str) -> str:
    """The line that sets a text: `\\setname{vae}{VAE}`."""
    return rf"\set{kind}{{{key}}}{{{typeset.text(value)}}}"


def metrics_of(path: Path) -> pd.DataFrame:
    """The collected metrics, checked for their columns and for rows."""
    table = pd.read_csv(path)
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing or table.empty:
        found = f"the columns {missing} are missing" if missing else "no rows"
        raise Refused(f"{path}: {found}; make it anew with `snakemake --cores all {path}`")
    return table


def summary(table: pd.DataFrame, task: str, model: str, metric: str) -> dict[str, str]:
    """The statistics of one metric over the seeds, on the test split, as LaTeX; empty where it has no values there."""
    by_seed = evidence.values(table, task, model, metric)
    if by_seed.empty:
        return {}
    found = {"mean": by_seed.mean(), "min": by_seed.min(), "max": by_seed.max()}
    if len(by_seed) > 1:
        found["sd"] = by_seed.std(ddof=1)
    picked = evidence.picked_seed(table, task, model)
    if picked in by_seed.index:
        found["picked"] = by_seed[picked]
    stats = {stat: typeset.number(value, typeset.decimals(metric)) for stat, value in found.items()}
    rank = evidence.rank_correlation(table, task, model, metric)
    return stats if np.isnan(rank) else stats | {"rank": typeset.number(rank, 2)}


def facts(path: Path) -> dict[str, str]:
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
    command.run(numbers)
