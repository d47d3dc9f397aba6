r"""Step: what others have published, row by row, with what this study measured beside it.

The rows are hand-written, thesis/published.csv, one for each figure; rows of one `task` and `measure` stand together:
    task       a task, or a pattern as kang_without_*: then the figure is the mean over the study's tasks of that name
    title      shown in the place of the task's name, optional
    measure    a metric of results/metrics.csv
    ours       the model that is set against the figures
    kind       published: a figure of others, `low` or `low` to `high`, with `spread` where they have one
               here: another model of this study, named in `low`, for comparison
               aim: what ours should reach: a number in `low`, or the mean of the model that it names
    statistic  of an aim: mean, picked (the seed picked by its objective) or min over seeds, to be reached; or max over
               seeds, not to be passed, where smaller is better; of a published figure: what it is
    what       who or what the figure is of; source: its key in thesis/references.bib
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
KINDS = ("published", "here", "aim")
STATISTICS = ("mean", "picked", "min", "max")
ROUNDING = 1e-9


def list_published(metrics: Path, published: Path, tasks: dict, names: dict, output: Path) -> None:
    """Write the rows of the study's tasks as LaTeX (output, .tex) and, beside it, as csv.

    metrics: results/metrics.csv; published: thesis/published.csv; tasks: the study's, each with `labels` and
    `n_components` by model; names: display names by key.

    Raises:
        Refused: a row of published.csv that does not have the form above.
    """
    figures, table, rows = read_published(published), read_metrics(metrics), []
    for row in figures.to_dict("records"):
        meant = [task for task in tasks if fnmatchcase(task, row["task"])]
        if meant:
            rows += judge_row(row, table, meant, tasks)
    found = pd.DataFrame(rows, columns=[*COLUMNS, *MEASURED])
    write_text(published_rows(found, tasks, names), output)
    write_csv(found, output.with_suffix(".csv"))


def read_published(published: Path) -> pd.DataFrame:
    """The hand-written rows, as text, checked."""
    table = pd.read_csv(published, dtype=str, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        raise Refused(f"{published}: found the columns {', '.join(table.columns)}; allowed: {', '.join(COLUMNS)}")
    for line, row in enumerate(table.to_dict("records"), 2):
        wrong = row_fault(row)
        if wrong:
            raise Refused(f"{published}: line {line}: {wrong}")
    return table


def row_fault(row: dict) -> str:
    """What is wrong with a row, in words; nothing where it is right."""
    if row["kind"] not in KINDS:
        return f"found kind {row['kind']!r}; allowed: {', '.join(KINDS)}"
    if row["kind"] == "aim" and row["statistic"] not in STATISTICS:
        return f"found statistic {row['statistic']!r} of an aim; allowed: {', '.join(STATISTICS)}"
    for key in ("low", "high", "spread"):
        needed = key == "low" and row["kind"] == "published"
        if row["kind"] == "published" and parse_number(row[key]) is None and (needed or row[key]):
            return f"found {key} {row[key]!r} of a published figure; allowed: a number"
    empty = [key for key in ("task", "measure", "ours", "low") if not row[key]]
    return f"{', '.join(empty)} empty; every row has them" if empty else ""


def parse_number(text: str) -> float | None:
    """The number that a text is, None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def judge_row(row: dict, table: pd.DataFrame, meant: list[str], tasks: dict) -> list[dict]:
    """The row with what was measured, of ours or, in a row `here`, of the model named; none where that was not run."""
    model = row["low"] if row["kind"] == "here" else row["ours"]
    by_seed, picked = measured_values(table, meant, model, row["measure"])
    if row["kind"] == "here" and by_seed.empty:
        return []
    components = {tasks[task]["n_components"].get(model) for task in meant}
    found = {"split": "test", "n_components": components.pop() if len(components) == 1 else None}
    found |= {"n_seeds": len(by_seed), "mean": by_seed.mean(), "sd": by_seed.std(ddof=1), "min": by_seed.min()}
    found |= {"max": by_seed.max(), "picked": picked, "threshold": threshold(row, table, meant)}
    return [row | found | {"verdict": verdict(row, found, table, meant)}]


def measured_values(table: pd.DataFrame, meant: list[str], model: str, measure: str) -> tuple[pd.Series, float]:
    """The values by seed on the test split, and that of the picked seed: means over the tasks, for the common seeds.

    The seed is picked task by task. Both are empty (NaN) where a task has no such figure.
    """
    by_task = [values_by_seed(table, task, model, measure) for task in meant]
    mean = pd.concat(by_task, axis=1).dropna().mean(axis=1) if all(len(each) for each in by_task) else by_task[0][:0]
    seeds = [picked_seed(table, task, model) for task in meant]
    picks = [each.get(seed, np.nan) for each, seed in zip(by_task, seeds, strict=True)]
    return mean, float(np.mean(picks))


def threshold(row: dict, table: pd.DataFrame, meant: list[str]) -> float:
    """What an aim asks for: its number, or the mean of the model that it names; NaN where that was not run."""
    if row["kind"] != "aim":
        return np.nan
    asked = parse_number(row["low"])
    return asked if asked is not None else measured_values(table, meant, row["low"], row["measure"])[0].mean()


def verdict(row: dict, found: dict, table: pd.DataFrame, meant: list[str]) -> str:
    """Of an aim `reached` or `missed`; else how our mean lies to the figure: `above`, `below`, `within` or `equal`.

    `open` where one of the two was not measured.
    """
    if row["kind"] == "aim":
        ours, asked = found[row["statistic"]], found["threshold"]
        if not np.isfinite([ours, asked]).all():
            return "open"
        spare = asked - ours if row["statistic"] == "max" else ours - asked
        return "reached" if spare >= -ROUNDING else "missed"
    low, ours = parse_number(row["low"]), found["mean"]
    if row["kind"] == "here":
        low, ours = found["mean"], measured_values(table, meant, row["ours"], row["measure"])[0].mean()
    high = low if row["kind"] == "here" or not row["high"] else parse_number(row["high"])
    if not np.isfinite([ours, low]).all():
        return "open"
    if low - ROUNDING <= ours <= high + ROUNDING:
        return "within" if high > low else "equal"
    return "above" if ours > high else "below"


if __name__ == "__main__":
    run_step(list_published)
