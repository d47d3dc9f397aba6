r"""Step: the table of other packages on the study's tasks, and what it says, in words.

It reads results/reference/rivals.csv, which `make rivals` measured and which is committed with the text, so a build
needs none of the other packages. The lines of our own models in it are of the runs that stood beside them then.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.writing import write_csv, write_text
from gmvae.metrics.catalogue import decimals
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.tabular import NO_VALUE, centre_cell, define_macro, header_line, small_spread, tabular
from gmvae.thesis.typeset import TABLE_LETTERS, latex_name, latex_number, latex_text

RIVALS = {  # display names by model, in the order of the rows; those of our own models come first, by the config
    "pca50_leiden": "50 components + Leiden",
    "harmony_leiden": "Harmony + Leiden",
    "scvi_leiden": "scVI + Leiden",
    "scanvi": "scANVI",
}
START = "pca50_leiden"  # no rival: what Harmony starts from
OWN = ("cgmdvae", "gmdvae")  # the model that is compared in words: the first of these that a task has
MEASURES = ("accuracy", "purity", "nmi", "ari", "ilisi")
HEADS = {"nmi": "NMI", "ari": "ARI", "ilisi": "iLISI"}
COLUMNS = {"task", "model", "seed", "split", *MEASURES, "settings", "versions", "commit"}


def tabulate_rivals(rivals: list[Path], tasks: list[str], names: dict, output: Path) -> None:
    r"""Write \rivalpanel, \rivalwords, \rivalversions, \rivalseeds, \rivalepochs, \rivalmixing, \rivallabels.

    They are \empty where no task has a line of another package.

    Args:
        rivals: The measured values, results/reference/rivals.csv; no file where they are not checked out.
        tasks: The study's tasks, in their order.
        names: Display names of tasks and models by key.
        output: The LaTeX file to write, results/tables/rivals.tex; the csv has the same name.

    Raises:
        Refused: The table lacks a column.
    """
    table = pd.concat([read_rivals(path) for path in rivals] or [pd.DataFrame(columns=sorted(COLUMNS))])
    compared = set(table.task[table.model.isin(RIVALS.keys() - {START})])
    table = table[table.task.isin(compared & set(tasks)) & (table.split == "test")]
    names = names | RIVALS
    summaries = summarise_rivals(table, tasks, names)
    write_text(
        "\n".join([header_line("gmvae.thesis.tables.rivals"), *rival_macros(table, summaries, names)]) + "\n", output
    )
    write_csv(summaries, output.with_suffix(".csv"))


def read_rivals(path: Path) -> pd.DataFrame:
    """The measured values of other packages and of the models beside them. Raises Refused where a column is missing."""
    table = pd.read_csv(path, dtype={"settings": str, "versions": str, "commit": str})
    missing = sorted(COLUMNS - set(table.columns))
    if missing:
        raise Refused(f"{path} lacks the columns {', '.join(missing)}: check it out again, or run `make rivals`")
    return table


def summarise_rivals(table: pd.DataFrame, tasks: list[str], names: dict) -> pd.DataFrame:
    """One row per task, model and measure: mean, sd, n_seeds; the tasks in their order, the rivals after our models."""
    rows = []
    for task in tasks:
        of_task = table[table.task == task]
        for model in sorted(of_task.model.unique(), key=lambda model: (model in RIVALS, list(names).index(model))):
            for measure in MEASURES:
                values = of_task.loc[of_task.model == model, measure].dropna()
                row = {
                    "task": task,
                    "model": model,
                    "measure": measure,
                    "mean": values.mean(),
                    "sd": values.std(ddof=1),
                }
                rows += [row | {"n_seeds": len(values)}] if len(values) else []
    return pd.DataFrame(rows, columns=["task", "model", "measure", "mean", "sd", "n_seeds"])


def rival_macros(table: pd.DataFrame, summaries: pd.DataFrame, names: dict) -> list[str]:
    """The definitions of the step's macros."""
    of_rivals = table[table.model.isin(RIVALS)].dropna(subset=["settings"])
    epochs = sorted({json.loads(text).get("epochs", 0) for text in of_rivals.settings} - {0})
    words = [task_words(of_task, task, names) for task, of_task in summaries.groupby("task", sort=False)]
    return [
        define_macro("rivalpanel", rival_panel(summaries, names) if len(summaries) else ""),
        define_macro("rivalwords", "\n".join(filter(None, words))),
        define_macro("rivalversions", latex_text("; ".join(sorted(of_rivals.versions.dropna().unique())))),
        define_macro("rivalseeds", ", ".join(map(str, sorted(of_rivals.seed.unique())))),
        define_macro("rivalepochs", " or ".join(map(str, epochs))),
        define_macro("rivalmixing", "Harmony" if "harmony_leiden" in set(of_rivals.model) else ""),
        define_macro("rivallabels", RIVALS["scanvi"] if "scanvi" in set(of_rivals.model) else ""),
    ]


def rival_panel(summaries: pd.DataFrame, names: dict) -> str:
    """One tabular with a block of rows for each task: a mean and a spread per measure."""
    measures = [measure for measure in MEASURES if measure in set(summaries.measure)]
    rows = []
    for task, of_task in summaries.groupby("task", sort=False):
        rows.append([rf"\textit{{{latex_name(names.get(task, task), TABLE_LETTERS)}}}", *[""] * len(measures)])
        for model, of_model in of_task.groupby("model", sort=False):
            cells = {row.measure: value_cell(row) for row in of_model.itertuples()}
            name = rf"\quad {latex_name(names.get(model, model), TABLE_LETTERS)}"
            rows.append([name, *(cells.get(measure, NO_VALUE) for measure in measures)])
    return tabular(["", *(centre_cell(HEADS.get(measure, measure.capitalize())) for measure in measures)], rows)


def value_cell(row) -> str:
    """A cell: the mean over seeds, and the spread where there are several."""
    places = measure_decimals(row.measure)
    return latex_number(row.mean, places) + ("" if np.isnan(row.sd) else small_spread(row.sd, places))


def measure_decimals(measure: str) -> int:
    """How many decimals a measure is printed with; iLISI has two."""
    return 2 if measure == "ilisi" else decimals(measure)


def task_words(of_task: pd.DataFrame, task: str, names: dict) -> str:
    """How our model stands to the best rival of a task in accuracy, and in the mixing of conditions."""
    model = next((model for model in OWN if model in set(of_task.model)), None)
    by_key = {(row.model, row.measure): row for row in of_task.itertuples()}
    others = [(name, "accuracy") for name in RIVALS if name != START and (name, "accuracy") in by_key]
    if (model, "accuracy") not in by_key or not others:
        return ""
    ours, best = by_key[model, "accuracy"], max((by_key[key] for key in others), key=lambda row: row.mean)
    text = (
        f"{latex_text(names.get(task, task))}: the {latex_text(names.get(model, model))} has an accuracy of "
        f"{spread_words(ours)}, {standing(ours, best)} the {spread_words(best)} of {latex_text(RIVALS[best.model])}, "
        "the best of the others in the mean"
    )
    mixing = [by_key.get((name, "ilisi")) for name in (model, best.model)]
    if None not in mixing:
        text += f"; its iLISI is {spread_words(mixing[0])}, {standing(*mixing)} the {spread_words(mixing[1])} there"
    return text + "."


def spread_words(row) -> str:
    """Mean and spread over seeds, in a sentence."""
    places = measure_decimals(row.measure)
    spread = "" if np.isnan(row.sd) else rf"\,$\pm$\,{latex_number(row.sd, places)}"
    return latex_number(row.mean, places) + spread


def standing(one, other) -> str:
    """How a mean compares with another: within the spread where both deviations together bridge the difference."""
    if abs(one.mean - other.mean) <= np.nansum([one.sd, other.sd]):
        return "within the spread of"
    return "above" if one.mean > other.mean else "below"


if __name__ == "__main__":
    run_step(tabulate_rivals)
