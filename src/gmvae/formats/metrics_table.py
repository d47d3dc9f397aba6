"""metrics.csv: one row per task, model, seed, split and metric."""

from pathlib import Path

import pandas as pd

from gmvae.pipeline.errors import Refused

COLUMNS = ["task", "model", "seed", "split", "metric", "value"]


def read_run_metrics(path: Path) -> pd.DataFrame:
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


def read_metrics(path: Path) -> pd.DataFrame:
    """The collected metrics, checked for their columns and for rows."""
    table = pd.read_csv(path)
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing or table.empty:
        found = f"the columns {missing} are missing" if missing else "no rows"
        raise Refused(f"{path}: {found}; make it anew with `snakemake --cores all {path}`")
    return table
