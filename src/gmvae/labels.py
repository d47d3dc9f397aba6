"""The labels of a task's rows as class numbers: the true ones, and those that its models may see."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from gmvae.errors import Refused


def true_labels(rows: anndata.AnnData) -> np.ndarray | None:
    """The class number of each row [N]; None for data without labels."""
    return rows.obs["label"].cat.codes.to_numpy(dtype=np.int64) if "label" in rows.obs else None


def seen_labels(rows: anndata.AnnData, observed: Path | None) -> np.ndarray:
    """The class number of each row [N] whose label is in observed.csv (row, label), -1 elsewhere.

    Raises Refused where that file is missing or speaks of other rows or classes, or where fewer than two classes are
    seen: a classifier cannot be had then.
    """
    if observed is None:
        raise Refused("--observed is missing: a classifier learns from a task's observed.csv, name it")
    try:
        table = pd.read_csv(observed, dtype=str, keep_default_na=False).set_index("row")["label"]
    except (OSError, KeyError, ValueError) as error:
        raise Refused(f"{observed} is no table of row and label: delete it and run the step `observe` again") from error
    classes = rows.obs["label"].cat.categories if "label" in rows.obs else pd.Index([])
    table = table[table != ""]
    unknown = sorted(set(table) - set(classes)) + sorted(set(table.index) - set(rows.obs_names))
    if unknown:
        raise Refused(f"{observed} names '{unknown[0]}', which the data set has not: run the step `observe` again")
    if table.nunique() < 2:
        raise Refused(
            f"{observed} shows labels of {table.nunique()} classes, a classifier needs two: set the task's `labels` in "
            "config.yaml to all, a share or a number, or leave the classifier out of the task"
        )
    seen = np.full(rows.n_obs, -1, dtype=np.int64)
    seen[rows.obs_names.get_indexer(table.index)] = classes.get_indexer(table)
    return seen
