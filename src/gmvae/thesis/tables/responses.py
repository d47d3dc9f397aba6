"""Step: the tables of predicted responses, over all tasks of the study that hold out a type: a column for each type."""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_csv, write_text
from gmvae.metrics.catalogue import decimals, format_fixed
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis import typeset

WAYS = {"": "w", "z_": "z"}  # what a model carries over to the other condition, where it can do both
MEASURES = {  # by what stands after `response_` and the way, with the heading of the panel
    "r2": "$r^2$, all genes",
    "r2_de": "$r^2$, 100 genes",
    "r2_score": "$R^2$, all genes",
    "r2_score_de": "$R^2$, 100 genes",
}
MACROS = {"": "responseprofiles", "change_": "responsechanges"}


def tabulate_responses(metrics: Path, held: dict, names: dict, output: Path) -> None:
    """Write two macros of panels, of profiles and of their changes, as LaTeX (output, .tex) and, beside it, as csv.

    metrics: results/metrics.csv. held: by task, in the order of the columns, {label, condition}. names: display names
    of models, in the order of the rows. Raises Refused where a task has no predicted response.
    """
    table = read_metrics(metrics)
    table = table[(table.split == "test") & table.metric.str.startswith("response_") & table.task.isin(list(held))]
    absent = sorted(set(held) - set(table.task))
    if absent or not held:
        raise Refused(f"{metrics}: no response of task {', '.join(absent)}; run `snakemake --cores all {metrics}`")
    found = response_summaries(table, held, [model for model in names if model in set(table.model)])
    heads = {task: typeset.text(entry["label"]) for task, entry in held.items()}
    lines = ["% Written by gmvae.thesis.tables.responses: a change here is lost."]
    for prefix, macro in MACROS.items():
        panels = [response_panel(found, prefix + measure, heads, names) for measure in MEASURES]
        joined = "\n\\par\\bigskip\n".join(panels)
        lines.append(f"\\def\\{macro}{{%\n{joined}\n}}")
    write_text("\n".join(lines) + "\n", output)
    write_csv(found, output.with_suffix(".csv"))


def response_summaries(table: pd.DataFrame, held: dict, models: list[str]) -> pd.DataFrame:
    """One row per model, way, measure and task, and one for the mean of the tasks (task "mean"): mean, sd, n_seeds.

    The mean of the tasks is taken seed by seed, and over those seeds that every task has.
    """
    rows = []
    for model in models:
        for way in WAYS:
            for measure in [prefix + name for prefix in MACROS for name in MEASURES]:
                of_model = table[(table.model == model) & (table.metric == f"response_{way}{measure}")]
                by_task = of_model.pivot(index="seed", columns="task", values="value").reindex(columns=list(held))
                if by_task.isna().all(axis=None):
                    continue
                by_task["mean"] = by_task.mean(axis=1, skipna=False)
                for task, values in by_task.items():
                    row = {"model": model, "way": WAYS[way], "measure": measure, "task": task}
                    row |= {"label": held[task]["label"] if task in held else "", "mean": values.mean()}
                    rows.append(row | {"sd": values.std(ddof=1), "n_seeds": int(values.notna().sum())})
    return pd.DataFrame(rows)


def response_panel(found: pd.DataFrame, measure: str, heads: dict[str, str], names: dict) -> str:
    """One tabular: a row per model and way, a mean per held-out type, their mean and its spread over seeds."""
    of_measure = found[found.measure == measure]
    title = MEASURES[measure.removeprefix("change_")]
    head = [title, *(rf"\multicolumn{{1}}{{c}}{{{head}}}" for head in [*heads.values(), "Mean"])]
    body = []
    for (model, way), here in of_measure.groupby(["model", "way"], sort=False):
        both = of_measure[of_measure.model == model].way.nunique() > 1
        name = typeset.text(names[model]) + (rf", through ${way}$" if both else "")
        here = here.set_index("task")
        cells = [value_cell(here["mean"].get(task, np.nan)) for task in heads]
        body.append(" & ".join([name, *cells, value_cell(here.loc["mean", "mean"], here.loc["mean", "sd"])]) + r" \\")
    columns = "r" * (len(heads) + 1)
    lines = [rf"\fittedtabular{{{columns}}}{{\toprule", " & ".join(head) + r" \\", r"\midrule", *body, r"\bottomrule}"]
    return "\n".join(lines)


def value_cell(mean: float, sd: float = float("nan")) -> str:
    """A cell: the mean, and its spread where there is one."""
    if np.isnan(mean):
        return r"\multicolumn{1}{c}{--}"
    places = decimals("response_r2")
    spread = "" if np.isnan(sd) else rf"\,{{\tiny$\pm$\,{format_fixed(sd, places)}}}"
    return typeset.number(mean, places) + spread


if __name__ == "__main__":
    run_step(tabulate_responses)
