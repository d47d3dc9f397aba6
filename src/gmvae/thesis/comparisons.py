r"""Differences of two results as the text quotes them: `\difference{gmdvae.nmi - best(*kmeans.nmi) in digits}`.

The same expression stands in four macros: \difference, the mean difference with its interval; \stands, a word for it;
\rival, the name of the model on the right, the best where there are several; \rivalvalue, its mean and spread.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.metrics.catalogue import decimals
from gmvae.metrics.statistics import difference_interval
from gmvae.pipeline.errors import Refused
from gmvae.thesis.sides import Side, paired_by_rival, read_sides
from gmvae.thesis.typeset import latex_name, latex_number

USE = re.compile(r"\\(?:difference|stands|rival|rivalvalue)\s*\{([^{}#]*)\}")
EXPRESSION = re.compile(r"(?P<left>\S+) - (?P<right>\S+) in (?P<task>\S+)")
LEAST_PLACES = 2  # decimals of a difference: with fewer, small ones would print as zero


def comparison_macros(table: pd.DataFrame, path_of: dict[str, Path], names: dict, kinds: dict) -> list[str]:
    """The lines that set the macros of every comparison of the texts about a task of the study.

    Args:
        table: The collected metrics.
        path_of: By comparison, a file that has it.
        names: Display names of models by key.
        kinds: By model, the file of the package that makes it.

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
            values = comparison_texts(left, right, names)
        except Refused as refusal:
            raise Refused(f"{path}: in `{expression}`: {refusal}") from refusal
        lines += [rf"\setvalue{{{kind}}}{{{expression}}}{{{text}}}" for kind, text in values.items()]
    return lines


def comparison_texts(left: Side, right: Side, names: dict) -> dict[str, str]:
    """What each macro prints of one comparison, as LaTeX."""
    if not (left.runs and right.runs) or left.function or right.function in ("min", "max"):
        raise Refused("a difference is that of a model and a model or best(...)")
    differences = paired_by_rival(left, right)[0]
    places = decimals(right.metric)
    value, spread = (latex_number(number, places) for number in (right.value, right.runs[0][1].std(ddof=1)))
    rival_value = value if len(right.runs[0][1]) < 2 else rf"{value}\,$\pm$\,{spread}"
    return {
        "difference": difference_text(differences, right.metric),
        "stands": standing_word(differences),
        "rival": latex_name(names.get(right.model, right.model)),
        "rivalvalue": rival_value,
    }


def difference_text(differences: np.ndarray, metric: str) -> str:
    """The mean difference with its interval, or with what the seeds span where they are too few for one.

    Args:
        differences: One difference per seed, [n].
        metric: What they are differences of.

    Returns:
        LaTeX.
    """
    places = max(LEAST_PLACES, decimals(metric))
    mean = latex_number(float(np.mean(differences)), places)
    interval = difference_interval(differences)
    low, high = (latex_number(end, places) for end in interval or (differences.min(), differences.max()))
    return f"{mean} ({low} to {high}{'' if interval else ' over the seeds'})"


def standing_word(differences: np.ndarray) -> str:
    """How the left model stands to the right one: by the interval, or by every seed where they are too few for one.

    Args:
        differences: One difference per seed, left - right, [n].

    Returns:
        Words that a name follows.
    """
    interval = difference_interval(differences)
    low, high = interval or (differences.min(), differences.max())
    if low == high == 0:
        return "level with"
    every_seed = "" if interval else "in every seed "
    if low > 0:
        return f"{every_seed}above"
    if high < 0:
        return f"{every_seed}below"
    return "neither clearly above nor clearly below" if interval else "in some seeds above and in others not above"
