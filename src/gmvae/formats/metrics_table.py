"""metrics.csv: one row per task, model, seed, split and metric. All readers of it are here."""

from pathlib import Path

import pandas as pd

from gmvae.pipeline.errors import Refused

COLUMNS = ["task", "model", "seed", "split", "metric", "value"]
KEY_DTYPES = dict.fromkeys(["task", "model", "split", "metric"], str) | {"seed": int}


def read_metrics(path: Path, remedy: str = "") -> pd.DataFrame:
    """Metrics with their values as numbers.

    Args:
        path: A metrics.csv of one run or of a whole study.
        remedy: What a user may do if the file is missing or wrong; by default, to collect the metrics again.

    Returns:
        A table with the columns COLUMNS and at least one row.

    Raises:
        Refused: The file is missing, has other columns or no rows.
    """
    remedy = remedy or f"run `snakemake --cores all {path}` to make it again"
    table = read_columns(path, KEY_DTYPES, remedy)
    if table.empty:
        raise Refused(f"{path}: found no rows; {remedy}")
    return table


def read_metrics_text(path: Path, remedy: str) -> pd.DataFrame:
    """Metrics with their values as text, digit by digit as they are in the file.

    Args:
        path: A metrics.csv of one run or of a whole study.
        remedy: What a user may do if the file is missing or wrong.

    Returns:
        A table with the columns COLUMNS.

    Raises:
        Refused: The file is missing or has other columns.
    """
    return read_columns(path, KEY_DTYPES | {"value": str}, remedy, keep_default_na=False)


def read_columns(path: Path, dtypes: dict[str, type], remedy: str, **options) -> pd.DataFrame:
    """The table in the file with these dtypes, checked for its columns; the options are those of pandas.read_csv."""
    try:
        table = pd.read_csv(path, dtype=dtypes, **options)
    except FileNotFoundError as error:
        raise Refused(f"{path} is missing: {remedy}") from error
    except (OSError, ValueError) as error:
        raise Refused(f"{path} is not a readable table of metrics: {remedy}") from error
    if list(table.columns) != COLUMNS:
        columns = ", ".join(map(str, table.columns))
        raise Refused(f"{path}: found the columns {columns}; allowed: {', '.join(COLUMNS)}; {remedy}")
    return table
