r"""Differences of two results as the text quotes them: `\difference{gmdvae.nmi - best(*kmeans.nmi) in digits}`.

The same expression stands in four macros: \difference, the mean difference with its interval; \stands, a word for it;
\rival, the name of the model on the right, the best where there are several; \rivalvalue, its mean and spread.
`\versus{digits.gmdvae.nmi}{digits.kmeans.nmi}` has the words of \stands where both are of one task and metric, and
`\overrows{digits.gmdvae.nmi}` is the interval of a result over the draw of the rows.
"""

import re
from pathlib import Path

import pandas as pd

from gmvae.metrics.catalogue import decimals
from gmvae.pipeline.errors import Refused
from gmvae.thesis.over_rows import Intervals
from gmvae.thesis.sides import Difference, Side, paired_by_rival, read_sides
from gmvae.thesis.typeset import latex_name, latex_number

USE = re.compile(r"\\(?:difference|stands|rival|rivalvalue)\s*\{([^{}#]*)\}")
VERSUS = re.compile(r"\\versus\s*\{([^{}#]*)\}\s*\{([^{}#]*)\}")
OVER_ROWS = re.compile(r"\\overrows\s*\{([^{}#]*)\}")
EXPRESSION = re.compile(r"(?P<left>\S+) - (?P<right>\S+) in (?P<task>\S+)")
LEAST_PLACES = 2  # decimals of a difference: with fewer, small ones would print as zero


def comparison_macros(
    table: pd.DataFrame, path_of: dict[str, Path], names: dict, kinds: dict, intervals: Intervals
) -> list[str]:
    """The lines that set the macros of every comparison of the texts about a task of the study.

    Args:
        table: The collected metrics.
        path_of: By comparison, a file that has it.
        names: Display names of models by key.
        kinds: By model, the file of the package that makes it.
        intervals: The intervals over rows.

    Returns:
        Lines of LaTeX.

    Raises:
        Refused: A comparison has another form, was not measured, or is between values that do not mean the same.
    """
    lines, tasks = [], set(table.task)
    for expression, path in path_of.items():
        match = EXPRESSION.fullmatch(expression)
        if not match:
            raise Refused(f"{path}: `{expression}` is no comparison; write `model.metric - model.metric in task`")
        if match["task"] not in tasks:
            continue
        try:
            left, right = read_sides(table, (match["left"], match["right"]), match["task"], kinds)
            values = comparison_texts(match["task"], left, right, names, intervals)
        except Refused as refusal:
            raise Refused(f"{path}: in `{expression}`: {refusal}") from refusal
        lines += [rf"\setvalue{{{kind}}}{{{expression}}}{{{text}}}" for kind, text in values.items()]
    return lines


def comparison_texts(task: str, left: Side, right: Side, names: dict, intervals: Intervals) -> dict[str, str]:
    """What each macro prints of one comparison, as LaTeX."""
    if not (left.runs and right.runs) or left.function or right.function in ("min", "max"):
        raise Refused("a difference is that of a model and a model or best(...)")
    difference = paired_by_rival(task, left, right, intervals)[0]
    places = decimals(right.metric)
    value, spread = (latex_number(number, places) for number in (right.value, right.runs[0][1].std(ddof=1)))
    rival_value = value if len(right.runs[0][1]) < 2 else rf"{value}\,$\pm$\,{spread}"
    return {
        "difference": difference_text(difference, right.metric),
        "stands": standing_word(difference),
        "rival": latex_name(names.get(right.model, right.model)),
        "rivalvalue": rival_value,
    }


def versus_macros(
    table: pd.DataFrame, path_of: dict[tuple[str, str], Path], kinds: dict, intervals: Intervals
) -> list[str]:
    r"""The lines that set the words of each \versus between two results of one task and metric that the table has.

    Args:
        table: The collected metrics.
        path_of: By the two results, each task.model.metric, a file that compares them.
        kinds: By model, the file of the package that makes it.
        intervals: The intervals over rows.

    Returns:
        Lines of LaTeX.

    Raises:
        Refused: The two do not mean the same.
    """
    lines = []
    measured = set(table.task + "." + table.model + "." + table.metric)
    for results, path in path_of.items():
        (task, _, left), (other, _, right) = (result.partition(".") for result in results)
        if task != other or left.rpartition(".")[2] != right.rpartition(".")[2] or not measured.issuperset(results):
            continue
        try:
            difference = paired_by_rival(task, *read_sides(table, (left, right), task, kinds), intervals)[0]
        except Refused as refusal:
            raise Refused(rf"{path}: in `\versus{{{results[0]}}}{{{results[1]}}}`: {refusal}") from refusal
        lines.append(rf"\setvalue{{versus}}{{{'/'.join(results)}}}{{{standing_word(difference)}}}")
    return lines


def row_macros(results: list[str], intervals: Intervals) -> list[str]:
    """The lines that set the intervals of results, each task.model.metric; a dash where it was not measured."""
    lines = []
    for result in results:
        task, _, rest = result.partition(".")
        model, _, metric = rest.partition(".")
        interval = intervals.get((task, model, "", metric))
        text = range_text(interval, decimals(metric)) if interval else "--"
        lines.append(rf"\setvalue{{overrows}}{{{result}}}{{{text}}}")
    return lines


def range_text(interval: tuple[float, float], places: int) -> str:
    """An interval as LaTeX."""
    return " to ".join(latex_number(end, places) for end in interval)


def difference_places(metric: str) -> int:
    """The decimals of a difference in a metric."""
    return max(LEAST_PLACES, decimals(metric))


def difference_text(difference: Difference, metric: str) -> str:
    """The mean difference with its interval; where seeds are too few for one, that over the rows and each seed's value.

    Args:
        difference: The difference.
        metric: What it is one of.

    Returns:
        LaTeX.
    """
    places = difference_places(metric)
    mean = latex_number(float(difference.by_seed.mean()), places)
    if difference.over_seeds:
        return f"{mean} ({range_text(difference.over_seeds, places)})"
    parts = [f"{range_text(difference.over_rows, places)} over the rows"] if difference.over_rows else []
    if difference.by_seed.min() < difference.by_seed.max():
        values = [latex_number(value, places) for value in difference.by_seed]
        parts.append(f"by seed {', '.join(values)}")
    return f"{mean} ({'; '.join(parts)})" if parts else mean


def standing_word(difference: Difference) -> str:
    """How the left model stands to the right one: by the interval, or by every seed where there is none.

    Args:
        difference: The difference left - right.

    Returns:
        Words that a name follows.
    """
    by_seed, interval = difference.by_seed, difference.interval
    low, high = interval or (by_seed.min(), by_seed.max())
    if low == high == 0:
        return "level with"
    if low <= 0 <= high:
        return "neither clearly above nor clearly below" if interval else "in some seeds above and in others not above"
    if not difference.over_seeds and by_seed.min() <= 0 <= by_seed.max():
        return "in some seeds above and in others not above"
    return f"{'' if interval else 'in every seed '}{'above' if low > 0 else 'below'}"
