"""The table of a task as LaTeX: a panel for agreement with the classes, a panel for the terms of the objective."""

import numpy as np
import pandas as pd

from gmvae.metrics.catalogue import (
    AGREEMENT_COLUMNS,
    COMPONENTS,
    SHORT_NAMES,
    SOFT_ASSIGNMENT,
    SPACE_COLUMNS,
    decimals,
    elbo_terms,
)
from gmvae.thesis.tabular import NO_VALUE, centre_cell, define_macro, header_line, small_spread, tabular
from gmvae.thesis.typeset import TABLE_LETTERS, divergence_symbol, format_fixed, latex_name, latex_number, latex_text

FEW = 4  # fewer models with an ELBO have no second panel: their bound stands in the first


def task_macros(summaries: pd.DataFrame, models: list[str], n_components: dict, names: dict) -> str:
    """Macros with two panels: agreement with the classes and the space; the terms of the models that have some.

    Without classes there is no first panel, and the second shows the use of components of every model. Where few models
    have an ELBO, the first panel has their bound and there is no second.

    Args:
        summaries: A row per model and metric, as step `task` writes it: mean, sd, picked, rank, best, ...
        models: The models in the order of the rows.
        n_components: Number of components K by model.
        names: Display names of models and metrics by key.

    Returns:
        The lines of a LaTeX file.
    """
    metrics = set(summaries.metric)
    labelled = not metrics.isdisjoint(AGREEMENT_COLUMNS)
    terms = elbo_terms(metrics)
    with_terms = set(summaries[summaries.metric == "elbo"].model)
    term_models = [model for model in models if model in with_terms or not labelled]
    agreement_columns = [metric for metric in compared_metrics(summaries) if labelled]
    if labelled and len(term_models) < FEW:
        term_models, agreement_columns = [], agreement_columns + [name for name in ("bound",) if name in metrics]
    use = dict.fromkeys(SOFT_ASSIGNMENT if labelled else (*COMPONENTS, *SOFT_ASSIGNMENT))
    in_use = set(summaries[summaries.model.isin(term_models)].metric)
    term_columns = [metric for metric in use if metric in in_use] + terms if term_models else []
    agreeing = clustered_models(summaries, models)
    lines = [
        header_line("gmvae.thesis.tables.task"),
        define_macro("agreementpanel", metric_panel(summaries, agreeing, agreement_columns, names, n_components)),
        define_macro("termspanel", metric_panel(summaries, term_models, term_columns, names)),
    ]
    return "\n".join(lines) + "\n"


def compared_metrics(summaries: pd.DataFrame) -> list[str]:
    """The columns of the first panel: measures that two models have, or one where there are no two."""
    metrics = [metric for metric in (*AGREEMENT_COLUMNS, *SPACE_COLUMNS) if metric in set(summaries.metric)]
    n_models = summaries.groupby("metric").model.nunique()
    return [metric for metric in metrics if n_models[metric] > 1] or metrics


def clustered_models(summaries: pd.DataFrame, models: list[str]) -> list[str]:
    """The models with a row in the first panel: a space without clusters has none where a clustering of it has one."""
    clustered = set(summaries[summaries.metric.isin(AGREEMENT_COLUMNS)].model)
    silhouettes = summaries[summaries.metric == "silhouette"].set_index("model")["mean"]
    of_clustered = set(silhouettes[silhouettes.index.isin(clustered)])
    return [model for model in models if model in clustered or silhouettes.get(model) not in of_clustered]


def metric_panel(
    summaries: pd.DataFrame, models: list[str], metrics: list[str], names: dict, n_components: dict | None = None
) -> str:
    """One tabular: a row per model that has any of the metrics, a mean and a spread per metric; empty without metrics.

    With `n_components`, K of the models that have clusters where it is not the same for all, and after the first metric
    the picked seed's value and the rank correlation.
    """
    if not metrics:
        return ""
    shown = summaries[summaries.metric.isin(metrics) & summaries.model.isin(models)]
    by_key = {(row.model, row.metric): row for row in shown.itertuples()}
    with_selection = n_components is not None
    numbers = {n_components.get(model) for model in models} - {None, 0} if with_selection else set()
    heads = [centre_cell(column_heading(metric, names)) for metric in metrics]
    if with_selection:
        heads = [heads[0], centre_cell("picked"), centre_cell(r"$r_{\mathrm{s}}$"), *heads[1:]]
        heads = ["$K$", *heads] if len(numbers) > 1 else heads
    rows = []
    for model in models:
        if not any((model, metric) in by_key for metric in metrics):
            continue
        cells = [latex_name(names.get(model, model), TABLE_LETTERS)]
        if len(numbers) > 1:
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
        return divergence_symbol(metric)
    return latex_text(SHORT_NAMES.get(metric) or names.get(metric, metric))
