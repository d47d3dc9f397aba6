"""The metrics of all runs of the study in one table."""

from pathlib import Path

import pandas as pd

from gmvae import command, files
from gmvae.errors import Refused
from gmvae.evaluate import COLUMNS


def collect(metrics: list[Path], output: Path) -> None:
    """Put the metrics.csv of many runs below each other, sorted; the digits stay as they were written."""
    if not metrics:
        raise Refused("--metrics names no file: give at least one run's metrics.csv, as the step `evaluate` writes it")
    table = pd.concat([part(path) for path in metrics], ignore_index=True)
    order = ["task", "model", "seed", "split", "metric"]
    twice = table[table.duplicated(order)]
    if len(twice):
        raise Refused(f"{', '.join(twice.iloc[0][order].astype(str))} stands in two of the files: name each run once")
    files.write_csv(table.sort_values(order), output)


def part(path: Path) -> pd.DataFrame:
    """One run's metrics, values as text."""
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS, str) | {"seed": int}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise Refused(f"{path} is no readable table of metrics: delete it and run the step `evaluate` again") from error
    if list(table.columns) != COLUMNS:
        raise Refused(
            f"{path} has the columns {', '.join(map(str, table.columns))} instead of {', '.join(COLUMNS)}: "
            "delete it and run the step `evaluate` again"
        )
    return table


if __name__ == "__main__":
    command.run(collect)
