"""The measures of scores.py on many samples of the rows at once.

`weights` [n, S] say how often each row is in each sample: a column of ones stands for all rows. `tables` [S, K, C] are
contingency tables, one for each sample. A measure that a sample does not have, such as one of no rows, is NaN.
"""

from collections.abc import Iterator

import numpy as np

from gmvae.metrics.scores import SILHOUETTE_ROWS, point_distances

SAMPLES_AT_ONCE = 128  # in float32: all samples of many rows would fill the memory


def class_tables(
    truth: np.ndarray, cluster: np.ndarray, n_classes: int, n_components: int, weights: np.ndarray
) -> np.ndarray:
    """The contingency table of components and classes in each sample.

    Args:
        truth: Class of each row, [n].
        cluster: Component of each row, [n].
        n_classes: C.
        n_components: K.
        weights: How often each row is in each sample, [n, S].

    Returns:
        Number of rows in component k that are of class c, [S, K, C].
    """
    from scipy.sparse import csr_array  # here, because steps that only draw or read samples do not need it

    n_rows = len(truth)
    cells = cluster * n_classes + truth
    ones = np.ones(n_rows, dtype=np.float32)
    rows_of_cells = csr_array((ones, (cells, np.arange(n_rows))), shape=(n_components * n_classes, n_rows))
    tables = [(rows_of_cells @ block).T for block in sample_chunks(weights)]
    return np.concatenate(tables).astype(np.float64).reshape(-1, n_components, n_classes)


def sample_chunks(weights: np.ndarray) -> Iterator[np.ndarray]:
    """Some samples after the other, as float32, [n, S] -> [n, SAMPLES_AT_ONCE] each."""
    for start in range(0, weights.shape[1], SAMPLES_AT_ONCE):
        yield weights[:, start : start + SAMPLES_AT_ONCE].astype(np.float32)


def agreements(tables: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The share of rows whose component has the name of their class, in each sample.

    Args:
        tables: Contingency tables, [S, K, C].
        names: A class for each component, or -1, the same for all samples, [K].

    Returns:
        Shares, [S].
    """
    named = np.flatnonzero(names >= 0)
    with np.errstate(invalid="ignore"):
        return tables[:, named, names[named]].sum(axis=1) / tables.sum(axis=(1, 2))


def mutual_informations(tables: np.ndarray) -> np.ndarray:
    """The normalised mutual information of components and classes in each sample, [S, K, C] -> [S]."""
    components, classes = row_entropies(tables.sum(axis=2)), row_entropies(tables.sum(axis=1))
    joint = components + classes - row_entropies(tables.reshape(len(tables), -1))
    information = np.divide(2 * joint, components + classes, out=np.ones(len(tables)), where=components + classes > 0)
    return np.where(tables.sum(axis=(1, 2)) > 0, np.maximum(information, 0), np.nan)


def row_entropies(counts: np.ndarray) -> np.ndarray:
    """The entropy of the shares that belong to each row of counts, [S, m] -> [S], in nats."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return -np.sum(shares * np.log(np.where(shares > 0, shares, 1)), axis=1)


def adjusted_rand_indices(tables: np.ndarray) -> np.ndarray:
    """The adjusted Rand index of components and classes in each sample, [S, K, C] -> [S]."""
    counts = [tables.reshape(len(tables), -1), tables.sum(axis=2), tables.sum(axis=1)]
    both, by_component, by_class = ((count * (count - 1) / 2).sum(axis=1) for count in counts)
    n_rows = tables.sum(axis=(1, 2))
    expected = by_component * by_class / np.maximum(n_rows * (n_rows - 1) / 2, 1)
    range_ = (by_component + by_class) / 2 - expected
    index = np.divide(both - expected, range_, out=np.ones(len(tables)), where=range_ > 0)
    return np.where(n_rows > 0, index, np.nan)


def weighted_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean of some values over the rows of each sample.

    Args:
        values: Values of each row, NaN where a row has none, [n].
        weights: How often each row is in each sample, [n, S].

    Returns:
        Means over the rows that have a value, [S].
    """
    rows = np.isfinite(values)
    centre = values[rows].mean()  # taken off, because float32 holds seven digits
    deviations, chosen = (values[rows] - centre).astype(np.float32), weights[rows]
    sums = np.concatenate([deviations @ block for block in sample_chunks(chosen)])
    with np.errstate(invalid="ignore"):
        return centre + sums.astype(np.float64) / chosen.sum(axis=0, dtype=np.float64)


def silhouette_rows(n_rows: int) -> np.ndarray:
    """The rows that scores.silhouette takes of n: all, or 2,000 of them."""
    if n_rows <= SILHOUETTE_ROWS:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, SILHOUETTE_ROWS, replace=False))


def silhouettes(z: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean silhouette of points that are grouped by class, in each sample.

    Args:
        z: Points, [n, L].
        truth: Class of each point, [n].
        weights: Whether each point is in each sample, 1 or 0, [n, S].

    Returns:
        Mean silhouettes, [S]; NaN where all points of a sample are of one class, or each is of its own.

    Source: Rousseeuw 1987.
    """
    order = np.argsort(truth, kind="stable")  # the points of a class lie together
    z, truth, weights = z[order], truth[order], weights[order]
    distances = point_distances(z).astype(np.float32)
    starts = np.searchsorted(truth, np.unique(truth))
    parts = [slice(start, end) for start, end in zip(starts, [*starts[1:], len(z)], strict=True)]
    return np.concatenate([silhouettes_of_block(distances, parts, block) for block in sample_chunks(weights)])


def silhouettes_of_block(distances: np.ndarray, parts: list[slice], weights: np.ndarray) -> np.ndarray:
    """The mean silhouettes in some samples, from the distances [n, n] of points sorted by class, and the classes."""
    sizes = [weights[part].sum(axis=0) for part in parts]
    within, between = np.zeros_like(weights), np.full_like(weights, np.inf)
    for part, size in zip(parts, sizes, strict=True):
        sums = distances[:, part] @ np.ascontiguousarray(weights[part])
        within[part] = sums[part] / np.maximum(size - 1, 1)
        means = np.where(size > 0, sums / np.maximum(size, 1), np.inf)
        means[part] = np.inf
        np.minimum(between, means, out=between)
    wider = np.maximum(within, between)
    with np.errstate(invalid="ignore"):  # where there is one class only
        widths = np.divide(between - within, wider, out=np.zeros_like(within), where=wider > 0)
    for part, size in zip(parts, sizes, strict=True):
        widths[part, size <= 1] = 0
    n_rows, n_classes = weights.sum(axis=0), np.count_nonzero(sizes, axis=0)
    sums = np.where(weights > 0, widths, 0).sum(axis=0, dtype=np.float64)
    return np.where((n_classes >= 2) & (n_classes < n_rows), sums / np.maximum(n_rows, 1), np.nan)
