"""The labels of a task's rows as numbers: the true ones, and what its models are told."""

import re
from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd

from gmvae.pipeline.errors import Refused

CLUSTER = "louvain {}"  # how observed.csv names a cluster: a category of its own, no class of the data set


class ObservedLabels(NamedTuple):
    """What models are told of N rows."""

    codes: np.ndarray  # N   number of the class or cluster, -1 where nothing is told
    n_categories: int  # that the numbers are of
    true: bool  # whether true labels were told, so that component k is class k


def true_labels(rows: anndata.AnnData) -> np.ndarray | None:
    """The class number of each row [N]; None for data without labels."""
    return rows.obs["label"].cat.codes.to_numpy(dtype=np.int64) if "label" in rows.obs else None


def read_observed_labels(obs: pd.DataFrame, observed: Path) -> ObservedLabels:
    """What observed.csv (row, label) tells of the rows of obs [N]: true labels, or the numbers of clusters.

    Raises Refused where that file is missing or speaks of other rows or classes.
    """
    try:
        table = pd.read_csv(observed, dtype=str, keep_default_na=False).set_index("row")["label"]
    except (OSError, KeyError, ValueError) as error:
        raise Refused(f"{observed} is no table of row and label: delete it and run the step `observe` again") from error
    table = table[table != ""]
    classes = obs["label"].cat.categories if "label" in obs else pd.Index([])
    numbers = [cluster_number(name) for name in table.unique()]
    guided = bool(numbers) and None not in numbers
    names = pd.Index([CLUSTER.format(k) for k in range(max(numbers) + 1)]) if guided else classes
    unknown = sorted(set(table) - set(names)) + sorted(set(table.index) - set(obs.index))
    if unknown:
        raise Refused(f"{observed} names '{unknown[0]}', which the data set has not: run the step `observe` again")
    codes = np.full(len(obs), -1, dtype=np.int64)
    codes[obs.index.get_indexer(table.index)] = names.get_indexer(table)
    return ObservedLabels(codes, len(names), bool(len(table)) and not guided)


def cluster_number(name: str) -> int | None:
    """The number in a cluster's name; None for any other name."""
    found = re.fullmatch(CLUSTER.format(r"(\d+)"), name)
    return int(found[1]) if found else None


def labels_for_classifier(obs: pd.DataFrame, observed: Path | None) -> ObservedLabels:
    """What a classifier learns from: as `told_labels`, and Refused where fewer than two categories are told."""
    if observed is None:
        raise Refused("--observed is missing: a classifier learns from a task's observed.csv, name it")
    told = read_observed_labels(obs, observed)
    n = len(set(told.codes[told.codes >= 0]))
    if n < 2:
        raise Refused(
            f"{observed} shows labels of {n} classes, a classifier needs two: set the task's `labels` in "
            "config.yaml to all, a share or a number, or leave the classifier out of the task"
        )
    return told
