"""Step: the table of a task: mean and spread over seeds on the test split, the picked seed, rank correlation.

Nothing is selected by labels: the picked seed is the one with the largest objective on the training split.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_csv, write_text
from gmvae.metrics.catalogue import AGREEMENT_COLUMNS
from gmvae.metrics.statistics import (
    LEVEL,
    holm,
    paired_differences,
    picked_seed,
    rank_correlation,
    two_sided_p,
    values_by_seed,
)
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.tables.task_panels import task_macros


def tabulate_task(
    metrics: Path, task: str, models: list[str], controls: list[str], n_components: dict, names: dict, output: Path
) -> None:
    """Write the table of a task as LaTeX and, beside it, as csv with every number in full.

    Args:
        metrics: The collected metrics, results/metrics.csv.
        task: Name of the task.
        models: Its models in the order of the rows.
        controls: Models among them that bound the metrics (truth, random) and are never marked as best.
        n_components: Number of components K by model.
        names: Display names of models and metrics by key.
        output: The LaTeX file to write, results/tables/TASK.tex; the csv has the same name.

    Raises:
        Refused: A model has no rows in the metrics.
    """
    table = read_metrics(metrics)
    missing = sorted(set(models) - set(table[table.task == task].model))
    if missing:
        absent = ", ".join(missing)
        raise Refused(f"{metrics}: task {task} has no rows of {absent}; run `snakemake --cores all {metrics}`")
    summaries = summarise_runs(table, task, models, n_components)
    summaries["best"] = False
    for metric in AGREEMENT_COLUMNS:
        best = best_model(table, task, [model for model in models if model not in controls], metric)
        summaries.loc[(summaries.metric == metric) & (summaries.model == best), "best"] = True
    write_text(task_macros(summaries, models, n_components, names), output)
    write_csv(summaries, output.with_suffix(".csv"))


def summarise_runs(table: pd.DataFrame, task: str, models: list[str], n_components: dict) -> pd.DataFrame:
    """One row per model and metric on the test split: mean, sd, n_seeds, the picked seed and its value, rank."""
    rows = []
    for model in models:
        picked = picked_seed(table, task, model)
        of_model = table[(table.task == task) & (table.model == model) & (table.split == "test")]
        for metric in sorted(of_model.metric.unique()):
            by_seed = values_by_seed(table, task, model, metric)
            if by_seed.empty:
                continue
            row = {"task": task, "model": model, "n_components": int(n_components.get(model, 0)), "metric": metric}
            row |= {"split": "test", "mean": by_seed.mean(), "sd": by_seed.std(ddof=1), "n_seeds": len(by_seed)}
            row |= {"picked_seed": picked, "picked": by_seed.get(picked, np.nan)}
            rows.append(row | {"rank": rank_correlation(table, task, model, metric)})
    return pd.DataFrame(rows).astype({"picked_seed": "Int64"})


def best_model(table: pd.DataFrame, task: str, models: list[str], metric: str) -> str | None:
    """The model with the largest mean if the exact paired test separates it from every rival (Holm), else None.

    A rival whose value never varies with the seed cannot be tested; then no model is marked.
    """
    by_model = {model: values_by_seed(table, task, model, metric) for model in models}
    by_model = {model: by_seed for model, by_seed in by_model.items() if len(by_seed)}
    if len(by_model) < 2:
        return None
    best = max(by_model, key=lambda model: by_model[model].mean())
    pairs = [paired_differences(by_model[best], by_model[model]) for model in by_model if model != best]
    if any(pair is None for pair in pairs):
        return None
    adjusted = holm([two_sided_p(pair) for pair in pairs])
    return best if adjusted.max() <= LEVEL else None


if __name__ == "__main__":
    run_step(tabulate_task)
