"""How well components and classes agree, and how the components are used.

`truth` [n] are class numbers 0..C-1 and `cluster` [n] component numbers 0..K-1. Measures that scikit-learn has, too,
are written out here: its import takes longer than all measures of a run. The tests compare the two.
"""

import numpy as np

SILHOUETTE_ROWS = 2000


def contingency(truth: np.ndarray, cluster: np.ndarray, n_classes: int, n_components: int) -> np.ndarray:
    """The contingency table of components and classes.

    Args:
        truth: Class of each row, [n].
        cluster: Component of each row, [n].
        n_classes: C.
        n_components: K.

    Returns:
        Number of rows in component k that are of class c, [K, C].
    """
    table = np.zeros((n_components, n_classes), dtype=np.int64)
    np.add.at(table, (cluster, truth), 1)
    return table


def match_components(table: np.ndarray) -> np.ndarray:
    """Match components with classes, at most one to one, so that as many rows as possible agree.

    Args:
        table: Contingency table, [K, C].

    Returns:
        Class of each component, [K]; -1 for a component that gets no class.

    Source: the assignment problem, Kuhn 1955 ("Hungarian" method).
    """
    from scipy.optimize import linear_sum_assignment  # a slow import, for runs that match components only

    components, classes = linear_sum_assignment(table, maximize=True)
    matched = np.full(len(table), -1)
    matched[components] = classes
    return matched


def number_components(table: np.ndarray) -> np.ndarray:
    """Number the components by the classes they match.

    Args:
        table: Contingency table, [K, C].

    Returns:
        Different numbers, [K]: the class from `match_components`, or a number from C on for a component without one.
    """
    matched = match_components(table)
    matched[matched < 0] = table.shape[1] + np.arange(np.count_nonzero(matched < 0))
    return matched


def majority_classes(table: np.ndarray) -> np.ndarray:
    """The majority class of each component.

    Args:
        table: Contingency table, [K, C].

    Returns:
        Classes, [K], the first of equals; -1 for a component without rows.
    """
    return np.where(table.sum(axis=1) > 0, table.argmax(axis=1), -1)


def agreement(truth: np.ndarray, cluster: np.ndarray, names: np.ndarray) -> float:
    """The share of rows whose component has the name of their class.

    It is the clustering accuracy with the names of `match_components`, the purity with those of `majority_classes` on
    the training split, and the accuracy of a classifier with the names 0..K-1.

    Args:
        truth: Class of each row, [n].
        cluster: Component of each row, [n].
        names: A class for each component, or -1, [K].

    Returns:
        A share between 0 and 1.
    """
    return float(np.mean(names[cluster] == truth))


def mutual_information(table: np.ndarray) -> float:
    """The normalised mutual information of components and classes, 2 I / (H(component) + H(class)).

    Args:
        table: Contingency table, [K, C].

    Returns:
        A number between 0 and 1; 1 if there is only one component and one class.

    Source: Strehl and Ghosh 2002, with the arithmetic mean of the entropies.
    """
    components, classes = table.sum(axis=1), table.sum(axis=0)
    if np.count_nonzero(components) == np.count_nonzero(classes) == 1:
        return 1.0
    joint = row_entropy(components) + row_entropy(classes) - row_entropy(table.ravel())
    return max(0.0, 2 * joint / (row_entropy(components) + row_entropy(classes)))


def row_entropy(counts: np.ndarray) -> float:
    """The entropy of the shares that belong to counts [m], in nats."""
    share = counts[counts > 0] / counts.sum()
    return float(-np.sum(share * np.log(share)))


def adjusted_rand_index(table: np.ndarray) -> float:
    """The share of pairs of rows on which components and classes agree, adjusted so that chance has 0.

    Args:
        table: Contingency table, [K, C].

    Returns:
        A number up to 1; 1 if all rows are in one component and of one class.

    Source: Hubert and Arabie 1985.
    """
    both, by_component, by_class, all_pairs = (
        int((counts * (counts - 1) // 2).sum()) for counts in (table, table.sum(axis=1), table.sum(axis=0), table.sum())
    )
    expected, most = by_component * by_class / max(all_pairs, 1), (by_component + by_class) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def silhouette(z: np.ndarray, truth: np.ndarray) -> float:
    """The mean silhouette of points that are grouped by class.

    It is computed on 2,000 rows if there are more. The choice of rows depends on the number of rows only, so it is the
    same for all models of a task.

    Args:
        z: Points, [n, L].
        truth: Class of each point, [n].

    Returns:
        A number between -1 and 1; NaN if all points are of one class, or each is of its own.

    Source: Rousseeuw 1987.
    """
    if len(z) > SILHOUETTE_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(z), SILHOUETTE_ROWS, replace=False))
        z, truth = z[rows], truth[rows]
    sizes = np.unique(truth, return_counts=True)[1]
    if not 2 <= len(sizes) < len(z):
        return float("nan")
    own = truth[:, None] == np.unique(truth)  # n, C
    sums = (point_distances(z).astype(np.float64) @ own).astype(z.dtype)  # of the distances to each class
    within = sums[own] / np.maximum(sizes - 1, 1)[own.argmax(axis=1)].astype(z.dtype)
    sums[own] = np.inf
    between = (sums / sizes.astype(z.dtype)).min(axis=1)
    wider = np.maximum(within, between)
    widths = np.divide(between - within, wider, out=np.zeros_like(within), where=wider > 0)
    return float(np.mean(np.where(sizes[own.argmax(axis=1)] > 1, widths, 0)))


def point_distances(z: np.ndarray) -> np.ndarray:
    """The Euclidean distances of all pairs of points [n, L] -> [n, n], in the precision of the points."""
    points = z.astype(np.float64)
    squares = np.square(points).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0).astype(z.dtype)
    np.fill_diagonal(distances, 0)
    return np.sqrt(distances)


def component_shares(cluster: np.ndarray, n_components: int) -> np.ndarray:
    """The share of rows in each component, [n] -> [K]."""
    return np.bincount(cluster, minlength=n_components) / len(cluster)


def n_components_used(share: np.ndarray) -> int:
    """The number of components with at least one row, from their shares [K]."""
    return int(np.count_nonzero(share))


def effective_components(share: np.ndarray) -> float:
    """exp of the entropy of the shares [K]: K if all components have equal shares, 1 if one has all rows."""
    used = share[share > 0]
    return float(np.exp(-np.sum(used * np.log(used))))
