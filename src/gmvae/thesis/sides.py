"""The sides of a comparison: which runs they name, and their values by seed.

    model.metric            one run: its values by seed on the test split
    best(models.metric)     of several runs, the one with the largest mean: the rival that is hardest to beat
    min(models.metric)      the smallest value of all seeds of the runs; max(...) the largest
    a number

`models` are names or patterns with `*`, joined by `|`: `best(*kmeans|pca_mixture.nmi)`. In best, min and max, the
model on the other side is no rival, nor are controls that are not named in full.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from gmvae.metrics.statistics import TESTED_FROM, difference_interval, values_by_seed
from gmvae.pipeline.errors import Refused
from gmvae.thesis.comparable import check_comparable
from gmvae.thesis.over_rows import Intervals
from gmvae.thesis.rule_options import CONTROLS

SIDE = re.compile(r"(?:(?P<function>best|min|max)\()?(?P<models>[a-z*][a-z0-9_*|]*)\.(?P<metric>[a-z][a-z0-9_]*)\)?")
SIDE_FORMS = "model.metric, best(models.metric), min(models.metric), max(models.metric) or a number"


@dataclass(frozen=True)
class Side:
    """One side of a comparison: how it was written, its runs, and one number for it."""

    text: str
    value: float  # the mean over seeds, of the best run where there are several; or the minimum, maximum, number
    function: str | None = None
    metric: str | None = None
    runs: tuple[tuple[str, pd.Series], ...] = ()  # models with their values by seed, the best first

    @property
    def model(self) -> str | None:
        """The model, the best where there are several; None for a number."""
        return self.runs[0][0] if self.runs else None


@dataclass(frozen=True)
class Difference:
    """What two runs differ by: a value for each common seed, and the interval of the mean over the rows."""

    by_seed: np.ndarray  # [n]
    over_rows: tuple[float, float] | None = None  # None where no row has a value of its own

    @property
    def is_testable(self) -> bool:
        """Whether there are enough seeds for a test, and one side varies with them."""
        return len(self.by_seed) >= TESTED_FROM and bool(np.ptp(self.by_seed) > 0)

    @property
    def over_seeds(self) -> tuple[float, float] | None:
        """The interval of the mean over the draw of the seeds; None where nothing is tested."""
        return difference_interval(self.by_seed) if self.is_testable else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval that the words follow: over the seeds where these are enough, else over the rows."""
        return self.over_seeds or self.over_rows


def read_sides(table: pd.DataFrame, texts: tuple[str, str], task: str, kinds: dict[str, str]) -> tuple[Side, Side]:
    """Both sides of a comparison.

    Args:
        table: The collected metrics.
        texts: Left and right side as they are written.
        task: The task.
        kinds: By model, the file of the package that makes it.

    Returns:
        The two sides.

    Raises:
        Refused: A side has another form, or was not measured, or the two do not mean the same.
    """
    matches = [None if is_number(text) else match_side(text) for text in texts]
    single = [match["models"] if match and not match["function"] else "" for match in matches]
    left, right = (
        read_side(table, text, match, task, kinds, other)
        for text, match, other in zip(texts, matches, reversed(single), strict=True)
    )
    check_sides(table, task, left, right, kinds)
    return left, right


def check_sides(table: pd.DataFrame, task: str, left: Side, right: Side, kinds: dict[str, str]) -> None:
    """Refuse two sides that do not mean the same."""
    if not (left.runs and right.runs):
        return
    if left.metric != right.metric:
        raise Refused(f"{left.text} and {right.text} are two metrics, which are not compared")
    for model, _ in left.runs:
        for other, _ in right.runs:
            check_comparable(table, task, left.metric, [model, other], kinds)


def paired_by_rival(task: str, left: Side, right: Side, intervals: Intervals) -> list[Difference]:
    """The differences left - right, for every pair of runs of the two sides.

    Args:
        task: The task of both.
        left: A side with runs.
        right: Another.
        intervals: The intervals over rows.

    Returns:
        For each pair, the best first, its difference.

    Raises:
        Refused: Two runs have no seed in common.
    """
    pairs = []
    for model, of_left in left.runs:
        for other, of_right in right.runs:
            both = pd.concat([of_left, of_right], axis=1, join="inner").to_numpy()
            if not len(both):
                raise Refused(f"{model} and {other} have no seed with {left.metric} in common")
            over_rows = intervals.get((task, model, other, left.metric))
            pairs.append(Difference(both[:, 0] - both[:, 1], over_rows))
    return pairs


def is_number(text: str) -> bool:
    """Whether a side is a number."""
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def match_side(text: str) -> re.Match:
    """The match of a side that is no number."""
    match = SIDE.fullmatch(text)
    closed = match and (match["function"] is not None) == text.endswith(")")
    if not closed or (not match["function"] and re.search(r"[*|]", match["models"])):
        raise Refused(f"`{text}` is no side of a comparison; allowed: {SIDE_FORMS}")
    return match


def read_side(
    table: pd.DataFrame, text: str, match: re.Match | None, task: str, kinds: dict[str, str], other: str
) -> Side:
    """A side with its values; `other` is the model on the other side."""
    if match is None:
        return Side(text, float(text))
    function, metric = match["function"], match["metric"]
    measured = sorted(table[(table.task == task) & (table.metric == metric)].model.unique())
    models = [match["models"]]
    if function:
        patterns = match["models"].split("|")
        rivals = [model for model in measured if model in patterns or kinds.get(model) not in CONTROLS]
        models = [model for model in rivals if any(fnmatchcase(model, pattern) for pattern in patterns)]
        models = [model for model in models if model != other]
    runs = [(model, values_by_seed(table, task, model, metric)) for model in models]
    runs = sorted((run for run in runs if len(run[1])), key=lambda run: -run[1].mean())
    if not runs:
        listed = ", ".join(measured) or "none"
        raise Refused(f"the results have no {text} in {task}; models with {metric}: {listed}")
    extremes = [by_seed.agg(function) for _, by_seed in runs] if function in ("min", "max") else []
    value = {"min": min, "max": max}[function](extremes) if extremes else runs[0][1].mean()
    return Side(text, float(value), function, metric, tuple(runs))
