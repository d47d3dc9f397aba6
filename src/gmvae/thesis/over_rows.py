"""What the step `resample` says of the rows: intervals of metrics and of differences between two models of a task."""

from pathlib import Path

import pandas as pd

from gmvae.metrics.resample import INTERVAL_COLUMNS
from gmvae.pipeline.errors import Refused

Intervals = dict[tuple[str, str, str, str], tuple[float, float]]  # by task, model, rival ("" for none) and metric


def read_intervals(paths: list[Path]) -> Intervals:
    """The intervals of all tasks.

    Args:
        paths: The file intervals.csv of each task.

    Returns:
        Low and high by task, model, rival and metric; of a difference also the other way round.

    Raises:
        Refused: A file is missing or has other columns.
    """
    intervals = {}
    for path in paths:
        remedy = f"run `snakemake --cores all {path}` to make it again"
        try:
            table = pd.read_csv(path, keep_default_na=False)
        except (OSError, ValueError) as fault:
            raise Refused(f"{path} is no readable table of intervals ({fault}): {remedy}") from fault
        if list(table.columns) != INTERVAL_COLUMNS:
            raise Refused(f"{path}: found the columns {', '.join(table.columns)}; {remedy}")
        for task, model, rival, metric, _, low, high in table.itertuples(index=False):
            intervals[task, model, rival, metric] = (low, high)
            if rival:
                intervals[task, rival, model, metric] = (-high, -low)
    return intervals
