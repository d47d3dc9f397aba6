"""Step: the tables of predicted responses, over all tasks of the study that hold out a type: a column for each type."""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_csv, write_text
from gmvae.metrics.catalogue import RESPONSE_MEASURES, RESPONSE_TARGETS, RESPONSE_WAYS, decimals
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.tabular import NO_VALUE, centre_cell, define_macro, header_line, small_spread, tabular
from gmvae.thesis.typeset import TABLE_LETTERS, latex_name, latex_number

MAIN_WAYS = ("", "z_", "residual_", "residual_z_", "global_", "near_", "combined_", "ceiling_")  # others: csv only
TITLES = {  # of the panels, by measure
    "r2": "$r^2$, all genes",
    "r2_de": "$r^2$, 100 genes",
    "r2_score": "$R^2$, all genes",
    "r2_score_de": "$R^2$, 100 genes",
}
PANELS = {"": ("r2", "r2_score"), "genes": ("r2_de", "r2_score_de")}  # of a macro, by the end of its name
MACROS = {"": "responseprofiles", "change_": "responsechanges"}  # by target


def tabulate_responses(metrics: Path, held: dict, names: dict, output: Path) -> None:
    """Write the panels of all predicted responses, of profiles and of their changes, as LaTeX and, beside it, as csv.

    Args:
        metrics: The collected metrics, results/metrics.csv.
        held: The held-out type by task, {label, condition}, in the order of the columns.
        names: Display names of models by key, in the order of the rows.
        output: The LaTeX file to write, results/tables/responses.tex; the csv has the same name.

    Raises:
        Refused: A task has no predicted response.
    """
    table = read_metrics(metrics)
    table = table[(table.split == "test") & table.metric.str.startswith("response_") & table.task.isin(list(held))]
    absent = sorted(set(held) - set(table.task))
    if absent or not held:
        raise Refused(f"{metrics}: no response of task {', '.join(absent)}; run `snakemake --cores all {metrics}`")
    summaries = summarise_responses(table, held, [model for model in names if model in set(table.model)])
    types = {task: latex_name(entry["label"], TABLE_LETTERS) for task, entry in held.items()}
    lines = [header_line("gmvae.thesis.tables.responses")]
    for target in RESPONSE_TARGETS:
        for ending, measures in PANELS.items():
            panels = [response_panel(summaries, target, measure, types, names) for measure in measures]
            lines.append(define_macro(MACROS[target] + ending, "\n\\par\\bigskip\n".join(panels)))
    write_text("\n".join(lines) + "\n", output)
    write_csv(summaries, output.with_suffix(".csv"))


def summarise_responses(table: pd.DataFrame, held: dict, models: list[str]) -> pd.DataFrame:
    """One row per model, form of prediction (`way`), measure and task, and one for the tasks' mean: mean, sd, n_seeds.

    The mean of the tasks (task "mean") is taken seed by seed, over the seeds that every task has.
    """
    measures = [target + measure for target in RESPONSE_TARGETS for measure in RESPONSE_MEASURES]
    rows = []
    for model in models:
        for way in RESPONSE_WAYS:
            for measure in measures:
                of_model = table[(table.model == model) & (table.metric == f"response_{way}{measure}")]
                by_task = of_model.pivot(index="seed", columns="task", values="value").reindex(columns=list(held))
                if by_task.isna().all(axis=None):
                    continue
                by_task["mean"] = by_task.mean(axis=1, skipna=False)
                for task, values in by_task.items():
                    row = {"model": model, "way": way.rstrip("_") or "plain", "measure": measure, "task": task}
                    row |= {"label": held[task]["label"] if task in held else "", "mean": values.mean()}
                    rows.append(row | {"sd": values.std(ddof=1), "n_seeds": int(values.notna().sum())})
    return pd.DataFrame(rows)


def response_panel(summaries: pd.DataFrame, target: str, measure: str, types: dict[str, str], names: dict) -> str:
    """One tabular: a row per model and form, a mean per held-out type, their mean and its spread over seeds."""
    of_measure = summaries[summaries.measure == target + measure]
    head = [TITLES[measure], *(centre_cell(name) for name in [*types.values(), "Mean"])]
    rows = []
    for model, of_model in of_measure.groupby("model", sort=False):
        of_ways = {way.rstrip("_") or "plain": way for way in RESPONSE_WAYS}
        ways = main_ways([of_ways[way] for way in of_model.way.unique()])
        for way in ways:
            by_task = of_model[of_model.way == (way.rstrip("_") or "plain")].set_index("task")
            means = [response_cell(by_task["mean"].get(task, np.nan)) for task in types]
            mean = response_cell(by_task.loc["mean", "mean"], by_task.loc["mean", "sd"])
            rows.append([row_name(way, ways, latex_name(names[model], TABLE_LETTERS)), *means, mean])
    return tabular(head, rows)


def main_ways(ways: list[str]) -> list[str]:
    """The forms of a model's prediction that have a row: a model that converts in two ways is residual through z."""
    return [way for way in MAIN_WAYS if way in ways and not (way == "residual_" and "residual_z_" in ways)]


def row_name(way: str, ways: list[str], model: str) -> str:
    """The first cell of a row: the model before its first form, then each form, indented."""
    route = {"": ", through $w$", "z_": ", through $z$", "residual_z_": ", through $z$"}.get(way, "")
    name = model if way == ways[0] else rf"\quad {RESPONSE_WAYS[way]}"
    return name + (route if "z_" in ways else "")


def response_cell(mean: float, sd: float = float("nan")) -> str:
    """A cell: the mean, and its spread where there is one."""
    if np.isnan(mean):
        return NO_VALUE
    places = decimals("response_r2")
    return latex_number(mean, places) + ("" if np.isnan(sd) else small_spread(sd, places))


if __name__ == "__main__":
    run_step(tabulate_responses)
