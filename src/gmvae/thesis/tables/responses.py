"""Step: the tables of predicted responses, over all tasks of the study that hold out a type: a column for each type."""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_csv, write_text
from gmvae.metrics.catalogue import RESPONSE_MEASURES, RESPONSE_TARGETS, RESPONSE_WAYS, decimals
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.tables.response_words import response_words
from gmvae.thesis.tabular import NO_VALUE, centre_cell, define_macro, header_line, small_spread, tabular
from gmvae.thesis.typeset import TABLE_LETTERS, latex_name, latex_number

MAIN_WAYS = ("", "z_", "residual_", "residual_z_", "near_", "combined_", "ceiling_")  # others: csv only
BY_TYPE = {
    "r2": "Profile, $r^2$",
    "change_r2": "Change, $r^2$",
    "change_r2_score": "Change, $R^2$",
}  # panels by measure
HEADS = {
    "r2": "$r^2$",
    "r2_score": "$R^2$",
    "r2_de": "$r^2$, 100",
    "r2_score_de": "$R^2$, 100",
}  # of the panel of means


def tabulate_responses(metrics: Path, held: dict, names: dict, output: Path) -> None:
    """Write the panels of all predicted responses, by held-out type and their means, as LaTeX and, beside it, as csv.

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
    panels = [response_panel(summaries, measure, types, names) for measure in BY_TYPE]
    lines.append(define_macro("responsesbytype", "\n\\par\\medskip\n".join(panels)))
    lines.append(define_macro("responsemeans", means_panel(summaries, names)))
    lines.append(define_macro("responsewords", response_words(summaries, names)))
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


def response_panel(summaries: pd.DataFrame, measure: str, types: dict[str, str], names: dict) -> str:
    """One tabular: a row per model and form, a mean per held-out type, their mean and its spread over seeds."""
    of_measure = summaries[summaries.measure == measure]
    head = [BY_TYPE[measure], *(centre_cell(name) for name in [*types.values(), "Mean"])]
    rows = []
    for name, of_row in form_rows(of_measure, names):
        by_task = of_row.set_index("task")
        means = [response_cell(by_task["mean"].get(task, np.nan)) for task in types]
        rows.append([name, *means, response_cell(by_task.loc["mean", "mean"], by_task.loc["mean", "sd"])])
    return tabular(head, different_rows(rows))


def means_panel(summaries: pd.DataFrame, names: dict) -> str:
    """One tabular: a row per model and form, the mean of the types for each measure of profiles and of changes."""
    of_mean = summaries[summaries.task == "mean"]
    columns = [target + measure for target in RESPONSE_TARGETS for measure in HEADS]
    rows = []
    for name, of_row in form_rows(of_mean, names):
        by_measure = of_row.set_index("measure")
        pairs = [(by_measure["mean"].get(key, np.nan), by_measure["sd"].get(key, np.nan)) for key in columns]
        rows.append([name, *(response_cell(*pair) for pair in pairs)])
    heads = [centre_cell(head) for _ in RESPONSE_TARGETS for head in HEADS.values()]
    above = ["", *(rf"\multicolumn{{{len(HEADS)}}}{{c}}{{{target}}}" for target in ("Profile", "Change"))]
    return tabular(["", *heads], different_rows(rows), above)


def form_rows(summaries: pd.DataFrame, names: dict) -> list[tuple[str, pd.DataFrame]]:
    """The first cell and the summaries of each row: a model's plain prediction, then its other forms."""
    rows = []
    for model, of_model in summaries.groupby("model", sort=False):
        of_ways = {way.rstrip("_") or "plain": way for way in RESPONSE_WAYS}
        ways = main_ways([of_ways[way] for way in of_model.way.unique()])
        for way in ways:
            name = row_name(way, ways, latex_name(names[model], TABLE_LETTERS))
            rows.append((name, of_model[of_model.way == (way.rstrip("_") or "plain")]))
    return rows


def different_rows(rows: list[list[str]]) -> list[list[str]]:
    """The rows without those whose values all print as in an earlier row: one prediction under two names."""
    kept = {}
    for row in rows:
        kept.setdefault(tuple(row[1:]), row)
    return list(kept.values())


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
    return latex_number(mean, places) + ("" if np.isnan(sd) or sd == 0 else small_spread(sd, places))


if __name__ == "__main__":
    run_step(tabulate_responses)
