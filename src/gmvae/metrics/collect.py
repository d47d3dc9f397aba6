"""The metrics of all runs of the study in one table."""

from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import read_run_metrics
from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused


def collect(metrics: list[Path], output: Path) -> None:
    """Put the metrics.csv of many runs below each other, sorted; the digits stay as they were written."""
    if not metrics:
        raise Refused("--metrics names no file: give at least one run's metrics.csv, as the step `evaluate` writes it")
    table = pd.concat([read_run_metrics(path) for path in metrics], ignore_index=True)
    order = ["task", "model", "seed", "split", "metric"]
    twice = table[table.duplicated(order)]
    if len(twice):
        raise Refused(f"{', '.join(twice.iloc[0][order].astype(str))} stands in two of the files: name each run once")
    write_csv(table.sort_values(order), output)


if __name__ == "__main__":
    run_step(collect)
