"""The labels of a task's rows as integer codes: the true labels, and the labels that its models observe."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from gmvae.pipeline.errors import Refused

if TYPE_CHECKING:
    import anndata  # the import takes longer than most steps that need only this module's names

# Texts that stand for no value: what R (NA, NaN) and pandas (nan, None, <NA>, NaT, nothing) write for one. Both read
# them as missing again. Words that somebody chose, such as unknown or n/a, are classes.
GAPS = frozenset({"", "NA", "NaN", "nan", "None", "<NA>", "NaT"})
CLUSTER = "louvain {}"  # name of a cluster in observed.csv, where a run is guided by clusters instead of classes


class ObservedLabels(NamedTuple):
    """The labels of N rows that models observe."""

    codes: np.ndarray  # N   number of the class or cluster, -1 if the label is hidden
    n_categories: int  # number of classes or clusters
    true: bool  # whether true labels are observed, so that component k is class k


def is_gap(value: object) -> bool:
    """Whether a value is a text that stands for no value: one of GAPS, or blanks."""
    return isinstance(value, str) and value.strip() in GAPS


def categories_with_gaps(values: pd.Series) -> pd.Categorical:
    """An annotation as datasets have it.

    Args:
        values: The values of N rows, of any type.

    Returns:
        A categorical of str, its categories sorted, [N]; what is missing, blank or one of GAPS is a gap.
    """
    texts = values.astype(object).where(values.isna(), values.astype(str))
    return pd.Categorical(texts.mask(texts.map(is_gap).astype(bool)))


def without_gap_classes(obs: pd.DataFrame) -> pd.DataFrame:
    """Make the classes of a table that stand for no value gaps.

    Args:
        obs: The annotations of N rows, as a reader gives them.

    Returns:
        The same table, or a copy where a category of one of its columns is blank or one of GAPS.
    """
    for key in obs.select_dtypes("category"):
        classes = [name for name in obs[key].cat.categories if is_gap(name)]
        if classes:
            obs = obs.assign(**{key: obs[key].cat.remove_categories(classes)})
    return obs


def check_gaps(obs: pd.DataFrame, name: str, complete: Iterable[str]) -> None:
    """Check that rows have their annotations, and that no class stands for a gap.

    Args:
        obs: The annotations of N rows.
        name: The dataset's name in messages.
        complete: Columns in which no row may have a gap, as far as they exist.

    Raises:
        Refused: One of these columns has gaps, or any column has a class that is blank or one of GAPS.
    """
    for key in obs.select_dtypes("category"):
        texts = [text for text in obs[key].cat.categories if is_gap(text)]
        if texts:
            raise Refused(f"{name}: obs['{key}'] has the class '{texts[0]}'; allowed: a gap there; prepare it again")
    for key in complete:
        if key in obs and obs[key].isna().any():
            gaps = f"{int(obs[key].isna().sum())} gaps (missing, blank, or a text such as NA) among {len(obs)} rows"
            raise Refused(f"{name}: obs['{key}'] has {gaps}; fill them or remove those rows")


def true_labels(rows: anndata.AnnData) -> np.ndarray | None:
    """The codes of the true labels.

    Args:
        rows: A dataset or latent with N rows.

    Returns:
        The number of each row's class, [N]; None for data without labels.
    """
    return rows.obs["label"].cat.codes.to_numpy(dtype=np.int64) if "label" in rows.obs else None


def read_observed_labels(obs: pd.DataFrame, observed: Path) -> ObservedLabels:
    """Read the labels that models observe: true labels, or numbers of clusters.

    Args:
        obs: The annotations of N rows of a dataset.
        observed: The task's observed.csv, with the columns row and label; an empty label is hidden.

    Returns:
        The labels of the N rows.

    Raises:
        Refused: The file is missing, or names other rows or classes.
    """
    try:
        table = pd.read_csv(observed, dtype=str, keep_default_na=False).set_index("row")["label"]
    except (OSError, KeyError, ValueError) as error:
        raise Refused(
            f"{observed} is not a table of row and label: delete it and run the step `observe` again"
        ) from error
    table = table[table != ""]
    classes = obs["label"].cat.categories if "label" in obs else pd.Index([])
    numbers = [cluster_number(name) for name in table.unique()]
    guided = bool(numbers) and None not in numbers
    names = pd.Index([CLUSTER.format(k) for k in range(max(numbers) + 1)]) if guided else classes
    unknown = sorted(set(table) - set(names)) + sorted(set(table.index) - set(obs.index))
    if unknown:
        raise Refused(f"{observed} names '{unknown[0]}', which is not in the dataset: run the step `observe` again")
    codes = np.full(len(obs), -1, dtype=np.int64)
    codes[obs.index.get_indexer(table.index)] = names.get_indexer(table)
    return ObservedLabels(codes, len(names), bool(len(table)) and not guided)


def cluster_number(name: str) -> int | None:
    """The number in a cluster's name; None for any other name."""
    match = re.fullmatch(CLUSTER.format(r"(\d+)"), name)
    return int(match[1]) if match else None


def labels_for_classifier(obs: pd.DataFrame, observed: Path | None) -> ObservedLabels:
    """Read the labels that a classifier learns from.

    Args:
        obs: The annotations of N rows of a dataset.
        observed: The task's observed.csv.

    Returns:
        The labels of the N rows, of at least two classes.

    Raises:
        Refused: As in `read_observed_labels`, or there is no file, or it has fewer than two classes.
    """
    if observed is None:
        raise Refused("--observed is missing: a classifier learns from a task's observed.csv, so name that file")
    labels = read_observed_labels(obs, observed)
    n = len(set(labels.codes[labels.codes >= 0]))
    if n < 2:
        raise Refused(
            f"{observed} has labels of {n} classes; a classifier needs two: set the task's `labels` in "
            "config.yaml to all, a share or a number, or leave the classifier out of the task"
        )
    return labels
