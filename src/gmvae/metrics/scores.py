"""How well components and classes agree, and how the components are used.

Everywhere `truth` [n] holds class numbers 0..C-1 and `cluster` [n] component numbers 0..K-1. NMI and ARI are
scikit-learn's own (arithmetic mean of the entropies, Hubert and Arabie's adjustment).
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import silhouette_score

SILHOUETTE_ROWS = 2000


def contingency(truth: np.ndarray, cluster: np.ndarray, n_classes: int, n_components: int) -> np.ndarray:
    """Counts [K, C]: rows of the data in component k that are of class c."""
    table = np.zeros((n_components, n_classes), dtype=np.int64)
    np.add.at(table, (cluster, truth), 1)
    return table


def match_components(table: np.ndarray) -> np.ndarray:
    """Class of each component [K], at most one component a class, with the most rows agreeing; -1: no class left.

    The assignment problem on the contingency table [K, C] (Kuhn 1955, the "Hungarian" method).
    """
    components, classes = linear_sum_assignment(table, maximize=True)
    matched = np.full(len(table), -1)
    matched[components] = classes
    return matched


def number_components(table: np.ndarray) -> np.ndarray:
    """A number of its own for each component [K]: the class that `matching` gives it, else one from C on."""
    matched = match_components(table)
    matched[matched < 0] = table.shape[1] + np.arange(np.count_nonzero(matched < 0))
    return matched


def majority_classes(table: np.ndarray) -> np.ndarray:
    """Majority class of each component [K], ties to the first class; -1 for a component without rows."""
    return np.where(table.sum(axis=1) > 0, table.argmax(axis=1), -1)


def agreement(truth: np.ndarray, cluster: np.ndarray, names: np.ndarray) -> float:
    """Share of rows whose component is named after their class; `names` [K] is a class number each, or -1.

    With `matching` this is the clustering accuracy, with `tags` of the training split the purity, with
    0..K-1 the accuracy of a classifier.
    """
    return float(np.mean(names[cluster] == truth))


def silhouette(z: np.ndarray, truth: np.ndarray) -> float:
    """Mean silhouette (Rousseeuw 1987) of points [n, L] grouped by class; NaN where it has no meaning.

    On 2,000 fixed rows where there are more: the draw depends on the number of rows only, so all models of a task
    are measured on the same ones.
    """
    if len(z) > SILHOUETTE_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(z), SILHOUETTE_ROWS, replace=False))
        z, truth = z[rows], truth[rows]
    n_classes = len(np.unique(truth))
    return float(silhouette_score(z, truth)) if 2 <= n_classes < len(z) else float("nan")


def component_shares(cluster: np.ndarray, n_components: int) -> np.ndarray:
    """Share of the rows in each component [K]."""
    return np.bincount(cluster, minlength=n_components) / len(cluster)


def n_components_used(share: np.ndarray) -> int:
    """Number of components with at least one row."""
    return int(np.count_nonzero(share))


def effective_components(share: np.ndarray) -> float:
    """exp of the entropy of the shares [K]: K when all are used alike, 1 when one takes everything."""
    used = share[share > 0]
    return float(np.exp(-np.sum(used * np.log(used))))
