"""Types of cells and clusters against each other: counts, recall, and what conditions and batches each cluster has."""

import numpy as np
import pandas as pd

from gmvae.metrics.scores import contingency, majority_classes

KINDS = ("condition", "batch")  # the columns whose composition is shown


def majority_types(obs: pd.DataFrame, n_components: int, labels_observed: bool) -> np.ndarray:
    """The class that each component stands for.

    Args:
        obs: The cells, with cluster, split and label.
        n_components: K.
        labels_observed: Whether the model saw true labels: then component k is class k.

    Returns:
        Numbers of classes [K], -1 for a component that stands for none: otherwise the majority of its training cells.
    """
    n_classes = len(obs["label"].cat.categories)
    if labels_observed:
        return np.where(np.arange(n_components) < n_classes, np.arange(n_components), -1)
    train = (obs["split"] == "train").to_numpy() & obs["label"].notna().to_numpy()
    cluster = obs["cluster"].astype(int).to_numpy()[train]
    return majority_classes(contingency(obs["label"].cat.codes.to_numpy()[train], cluster, n_classes, n_components))


def count_types(obs: pd.DataFrame) -> pd.DataFrame:
    """The confusion matrix as a long table.

    Args:
        obs: The cells, with cluster, split and label.

    Returns:
        label, cluster, split and the number of cells, without empty rows.
    """
    counts = obs.groupby(["label", "cluster", "split"], observed=True).size()
    return counts.rename("cells").reset_index()


def recall_by_type(obs: pd.DataFrame, names: np.ndarray) -> pd.DataFrame:
    """The share of each type that is in clusters which stand for it.

    Args:
        obs: The cells, with cluster, split and label.
        names: Class of each component [K], -1 for none.

    Returns:
        One row a type: `cells` of the test split, `recall` on these and `recall_train`, `clusters` that stand for the
        type, and `taken_for`, the other type whose clusters take most of its test cells, "" where they take none.
        The mean of `recall` with the weights `cells` is the purity.
    """
    labels = list(obs["label"].cat.categories)
    predicted = names[obs["cluster"].astype(int).to_numpy()]
    codes, test = obs["label"].cat.codes.to_numpy(), (obs["split"] == "test").to_numpy()
    rows = []
    for code, label in enumerate(labels):
        own, train = predicted[(codes == code) & test], predicted[(codes == code) & ~test]
        wrong = np.bincount(own[(own >= 0) & (own != code)], minlength=len(labels))
        taken_for = labels[wrong.argmax()] if wrong.any() else ""
        clusters = " ".join(str(k) for k in np.flatnonzero(names == code))
        shares = share_of(own == code), share_of(train == code)
        rows.append((label, len(own), *shares, clusters, taken_for))
    return pd.DataFrame(rows, columns=["label", "cells", "recall", "recall_train", "clusters", "taken_for"])


def share_of(correct: np.ndarray) -> float:
    """The mean of truth values [n]; NaN of none."""
    return float(correct.mean()) if len(correct) else float("nan")


def compose_clusters(obs: pd.DataFrame) -> pd.DataFrame:
    """What conditions and batches the cells of each cluster are of.

    Args:
        obs: The cells, with cluster and as far as they are there condition and batch.

    Returns:
        kind (condition or batch), value, cluster, the number of cells, their share in the cluster, and `overall`, the
        share of the value among all cells. A batch that is the condition under another name is left out.
    """
    tables = []
    for kind in KINDS:
        if kind not in obs or (kind == "batch" and is_same_column(obs)):
            continue
        counts = obs.groupby(["cluster", kind], observed=True).size().rename("cells").reset_index()
        counts = counts.rename(columns={kind: "value"})
        counts["share"] = counts["cells"] / counts.groupby("cluster", observed=True)["cells"].transform("sum")
        overall = obs[kind].value_counts(normalize=True)
        counts["overall"] = counts["value"].astype(str).map(overall.rename(str))
        tables.append(counts.assign(kind=kind)[["kind", "value", "cluster", "cells", "share", "overall"]])
    return (
        pd.concat(tables) if tables else pd.DataFrame(columns=["kind", "value", "cluster", "cells", "share", "overall"])
    )


def is_same_column(obs: pd.DataFrame) -> bool:
    """Whether batch and condition divide the cells in the same way."""
    if "condition" not in obs:
        return False
    pairs = obs[["batch", "condition"]].astype(str).drop_duplicates()
    return len(pairs) == obs["batch"].nunique() == obs["condition"].nunique()
