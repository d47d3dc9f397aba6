r"""Step: published results of others, row by row, with what this study measured beside them.

The rows are hand-written, thesis/published.csv, one for each value; rows of one `task` and `measure` stand together:
    task       a task, or a pattern as kang_without_*: then the value is the mean over the study's tasks of that name
    title      printed instead of the task's name, optional
    measure    a metric of results/metrics.csv
    ours       the model that is compared with the values
    kind       published: a value of others, `low` or `low` to `high`, with `spread` where they have one
               draft: a value of the author's own draft, which nobody else has checked
               here: another model of this study, named in `low`, for comparison
               aim: what ours should reach: a number in `low`, or the mean of the model that it names
    statistic  of an aim: mean, picked (the seed picked by its objective) or min over seeds, to be reached; or max over
               seeds, not to be exceeded, where smaller is better; of a published value: what it is
    what       who or what the value is of; source: its key in thesis/references.bib
"""

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_csv, write_text
from gmvae.metrics.statistics import picked_seed, values_by_seed
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.tables.published_rows import published_rows

COLUMNS = ["task", "title", "measure", "ours", "kind", "statistic", "low", "high", "spread", "what", "source"]
MEASURED = ["split", "n_components", "n_seeds", "mean", "sd", "min", "max", "picked", "threshold", "verdict"]
KINDS = ("published", "draft", "here", "aim")
QUOTED = ("published", "draft")  # kinds whose `low` is a number
STATISTICS = ("mean", "picked", "min", "max")
ROUNDING = 1e-9


def list_published(metrics: Path, published: Path, tasks: dict, names: dict, output: Path) -> None:
    """Write the published results on the study's tasks beside its own, as LaTeX and as csv.

    Args:
        metrics: The collected metrics, results/metrics.csv.
        published: The hand-written rows, thesis/published.csv.
        tasks: The study's tasks, each with `labels` and `n_components` by model.
        names: Display names by key.
        output: The LaTeX file to write, results/tables/published.tex; the csv has the same name.

    Raises:
        Refused: A row of published.csv does not have the form above.
    """
    table, rows = read_metrics(metrics), []
    for row in read_published(published).to_dict("records"):
        row_tasks = [task for task in tasks if fnmatchcase(task, row["task"])]
        if row_tasks:
            rows += judge_row(row, table, row_tasks, tasks)
    judged = pd.DataFrame(rows, columns=[*COLUMNS, *MEASURED])
    write_text(published_rows(judged, tasks, names), output)
    write_csv(judged, output.with_suffix(".csv"))


def read_published(published: Path) -> pd.DataFrame:
    """The hand-written rows, checked.

    Args:
        published: thesis/published.csv.

    Returns:
        A table with the columns COLUMNS, all text.

    Raises:
        Refused: The columns are others, or a row has an entry that is not allowed.
    """
    table = pd.read_csv(published, dtype=str, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        raise Refused(f"{published}: found the columns {', '.join(table.columns)}; allowed: {', '.join(COLUMNS)}")
    for line, row in enumerate(table.to_dict("records"), 2):
        fault = row_fault(row)
        if fault:
            raise Refused(f"{published}: line {line}: {fault}")
    return table


def row_fault(row: dict) -> str:
    """What is wrong with a row, in words; empty for a valid row."""
    if row["kind"] not in KINDS:
        return f"found kind {row['kind']!r}; allowed: {', '.join(KINDS)}"
    if row["kind"] == "aim" and row["statistic"] not in STATISTICS:
        return f"found statistic {row['statistic']!r} of an aim; allowed: {', '.join(STATISTICS)}"
    for key in ("low", "high", "spread"):
        if row["kind"] in QUOTED and parse_number(row[key]) is None and (key == "low" or row[key]):
            return f"found {key} {row[key]!r} of a {row['kind']} value; allowed: a number"
    empty = [key for key in ("task", "measure", "ours", "low") if not row[key]]
    return f"{', '.join(empty)} empty; allowed: an entry in every row" if empty else ""


def parse_number(text: str) -> float | None:
    """The number that a text stands for, None where it stands for none."""
    try:
        return float(text)
    except ValueError:
        return None


def judge_row(row: dict, table: pd.DataFrame, row_tasks: list[str], tasks: dict) -> list[dict]:
    """The row with our measured values, in a list; a row `here` of a model that was not run gives an empty list."""
    model = row["low"] if row["kind"] == "here" else row["ours"]
    by_seed, picked = mean_over_tasks(table, row_tasks, model, row["measure"])
    if row["kind"] == "here" and by_seed.empty:
        return []
    components = {tasks[task]["n_components"].get(model) for task in row_tasks}
    measured = {"split": "test", "n_components": components.pop() if len(components) == 1 else None}
    measured |= {"n_seeds": len(by_seed), "mean": by_seed.mean(), "sd": by_seed.std(ddof=1), "min": by_seed.min()}
    measured |= {"max": by_seed.max(), "picked": picked, "threshold": aim_threshold(row, table, row_tasks)}
    return [row | measured | {"verdict": row_verdict(row, measured, table, row_tasks)}]


def mean_over_tasks(table: pd.DataFrame, row_tasks: list[str], model: str, measure: str) -> tuple[pd.Series, float]:
    """The values by seed on the test split, and the picked seed's: means over the tasks, for the common seeds.

    The seed is picked task by task. Both are empty (NaN) where a task has no such value.
    """
    by_task = [values_by_seed(table, task, model, measure) for task in row_tasks]
    complete = all(len(by_seed) for by_seed in by_task)
    mean = pd.concat(by_task, axis=1).dropna().mean(axis=1) if complete else by_task[0][:0]
    seeds = [picked_seed(table, task, model) for task in row_tasks]
    picked = [by_seed.get(seed, np.nan) for by_seed, seed in zip(by_task, seeds, strict=True)]
    return mean, float(np.mean(picked))


def aim_threshold(row: dict, table: pd.DataFrame, row_tasks: list[str]) -> float:
    """What an aim demands: its number, or the mean of the model that it names; NaN where that model was not run."""
    if row["kind"] != "aim":
        return np.nan
    number = parse_number(row["low"])
    return number if number is not None else mean_over_tasks(table, row_tasks, row["low"], row["measure"])[0].mean()


def row_verdict(row: dict, measured: dict, table: pd.DataFrame, row_tasks: list[str]) -> str:
    """Of an aim `reached` or `missed`; else our mean relative to the value: `above`, `below`, `within` or `equal`.

    `open` where one of the two was not measured.
    """
    if row["kind"] == "aim":
        ours, threshold = measured[row["statistic"]], measured["threshold"]
        if not np.isfinite([ours, threshold]).all():
            return "open"
        margin = threshold - ours if row["statistic"] == "max" else ours - threshold
        return "reached" if margin >= -ROUNDING else "missed"
    low, ours = parse_number(row["low"]), measured["mean"]
    if row["kind"] == "here":
        low, ours = measured["mean"], mean_over_tasks(table, row_tasks, row["ours"], row["measure"])[0].mean()
    high = low if row["kind"] == "here" or not row["high"] else parse_number(row["high"])
    if not np.isfinite([ours, low]).all():
        return "open"
    if low - ROUNDING <= ours <= high + ROUNDING:
        return "within" if high > low else "equal"
    return "above" if ours > high else "below"


if __name__ == "__main__":
    run_step(list_published)
