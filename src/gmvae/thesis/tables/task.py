"""Step: the table of a task: mean and spread over seeds on the test split, the picked seed, rank correlation.

Nothing is selected by labels: the picked seed is the one with the largest objective on the training split.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_csv, write_text
from gmvae.metrics.catalogue import (
    AGREEMENT_COLUMNS,
    COMPONENTS,
    SHORT_NAMES,
    SOFT_ASSIGNMENT,
    SPACE_COLUMNS,
    decimals,
    elbo_terms,
)
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
from gmvae.thesis.tabular import NO_VALUE, centred, define_macro, header_line, small_spread, tabular
from gmvae.thesis.typeset import format_fixed, latex_number, latex_text


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


def task_macros(summaries: pd.DataFrame, models: list[str], n_components: dict, names: dict) -> str:
    """Macros with two panels: agreement with the classes and the space; the terms of the models that have some.

    Without classes there is no first panel, and the second shows the use of components of every model.
    """
    metrics = set(summaries.metric)
    labelled = not metrics.isdisjoint(AGREEMENT_COLUMNS)
    terms = elbo_terms(metrics)
    with_terms = set(summaries[summaries.metric.isin(terms)].model)
    term_models = [model for model in models if model in with_terms or not labelled]
    agreement_columns = [metric for metric in (*AGREEMENT_COLUMNS, *SPACE_COLUMNS) if metric in metrics and labelled]
    use = dict.fromkeys(SOFT_ASSIGNMENT if labelled else (*COMPONENTS, *SOFT_ASSIGNMENT))
    in_use = set(summaries[summaries.model.isin(term_models)].metric)
    term_columns = [metric for metric in use if metric in in_use] + terms
    lines = [
        header_line("gmvae.thesis.tables.task"),
        define_macro("agreementpanel", metric_panel(summaries, models, agreement_columns, names, n_components)),
        define_macro("termspanel", metric_panel(summaries, term_models, term_columns, names)),
    ]
    return "\n".join(lines) + "\n"


def metric_panel(
    summaries: pd.DataFrame, models: list[str], metrics: list[str], names: dict, n_components: dict | None = None
) -> str:
    """One tabular: a row per model that has any of the metrics, a mean and a spread per metric; empty without metrics.

    With `n_components`, K of the models that have clusters and, after the first metric, the picked seed's value and the
    rank correlation.
    """
    if not metrics:
        return ""
    shown = summaries[summaries.metric.isin(metrics)]
    by_key = {(row.model, row.metric): row for row in shown.itertuples()}
    with_selection = n_components is not None
    heads = [centred(column_heading(metric, names)) for metric in metrics]
    if with_selection:
        heads = ["$K$", heads[0], centred("picked"), centred(r"$r_{\mathrm{s}}$"), *heads[1:]]
    rows = []
    for model in models:
        if not any((model, metric) in by_key for metric in metrics):
            continue
        cells = [latex_text(names.get(model, model))]
        if with_selection:
            clustered = any((model, metric) in by_key for metric in AGREEMENT_COLUMNS)
            cells.append(str(n_components.get(model) or "--") if clustered else "--")
        for position, metric in enumerate(metrics):
            summary, width = by_key.get((model, metric)), spread_width(shown[shown.metric == metric])
            cells.append(mean_cell(summary, metric, width))
            if with_selection and position == 0:
                cells += selection_cells(summary, metric)
        rows.append(cells)
    return tabular(["", *heads], rows)


def mean_cell(summary, metric: str, width: int) -> str:
    """The cell of one metric: mean (bold where marked best) and spread.

    All values of a metric have the same decimals, so that right-aligned columns align at the point; the spread is
    padded to the `width` of the widest in its column.
    """
    if summary is None:
        return NO_VALUE
    mean = latex_number(summary.mean, decimals(metric))
    if summary.best:
        mean = rf"\textbf{{{mean}}}"
    if np.isnan(summary.sd) or metric in COMPONENTS:
        return mean
    return mean + small_spread(summary.sd, decimals(metric), width)


def selection_cells(summary, metric: str) -> list[str]:
    """The cells of the picked seed's value and of the rank correlation."""
    if summary is None:
        return [NO_VALUE, NO_VALUE]
    picked = NO_VALUE if pd.isna(summary.picked) else latex_number(summary.picked, decimals(metric))
    return [picked, NO_VALUE if np.isnan(summary.rank) else latex_number(summary.rank, 2)]


def spread_width(summaries: pd.DataFrame) -> int:
    """The number of characters of a metric's widest spread as printed."""
    return max((len(format_fixed(row.sd, decimals(row.metric))) for row in summaries.itertuples()), default=0)


def column_heading(metric: str, names: dict) -> str:
    """A metric's column heading: short, divergences in mathematics."""
    if metric.startswith("kl_"):
        variable = metric.removeprefix("kl_")
        return (
            rf"$\mathrm{{KL}}_{{{variable}}}$" if len(variable) == 1 else rf"$\mathrm{{KL}}_{{\mathrm{{{variable}}}}}$"
        )
    return latex_text(SHORT_NAMES.get(metric) or names.get(metric, metric))


if __name__ == "__main__":
    run_step(tabulate_task)
