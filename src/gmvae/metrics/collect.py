"""Step: the metrics of all runs of the study in one table."""

from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import COLUMNS, read_metrics_text
from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

KEY = COLUMNS[:-1]  # what identifies a row


def collect(metrics: list[Path], output: Path) -> None:
    """Join the metrics of many runs in one sorted table; the digits of the values stay as they were written.

    Args:
        metrics: The runs' files metrics.csv.
        output: The table to write, csv.

    Raises:
        Refused: There is no file, a file is no table of metrics, or a run appears twice.
    """
    if not metrics:
        raise Refused("--metrics: found no file; give at least one run's metrics.csv, as the step `evaluate` writes it")
    remedy = "delete it and run the step `evaluate` again"
    table = pd.concat([read_metrics_text(path, remedy) for path in metrics], ignore_index=True).sort_values(KEY)
    duplicates = table[table.duplicated(KEY)]
    if len(duplicates):
        row = ", ".join(duplicates.iloc[0][KEY].astype(str))
        raise Refused(f"--metrics: found {row} in two of the files; name each run once")
    write_csv(table, output)


if __name__ == "__main__":
    run_step(collect)
