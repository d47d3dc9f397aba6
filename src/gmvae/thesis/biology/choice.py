"""Which task of a study tells of its cells in full; the others have a summary of one page or less."""

from pathlib import Path

import pandas as pd


def told_in_full(cells: list[Path], changes: list[Path]) -> str | None:
    """The task whose cells the book follows from the counts to the genes.

    Args:
        cells: results/cells/TASK/cells.csv of each task to choose from.
        changes: results/cells/TASK/changes.csv of each: the genes that change between two conditions.

    Returns:
        The name of a task: one whose cells stand under two conditions before one without, then the one with the most
        cells, then the first; None where there is no task to choose from.
    """
    has_changes = {path.parent.name for path in changes if len(pd.read_csv(path, usecols=[0]))}
    sizes = {path.parent.name: len(pd.read_csv(path, usecols=[0])) for path in cells}
    return max(sizes, key=lambda task: (task in has_changes, sizes[task]), default=None)
