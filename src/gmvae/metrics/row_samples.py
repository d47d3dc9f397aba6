"""Samples of the test rows, and the intervals that they give: what a result owes to the rows that it was counted on.

One set of samples serves all runs of a task, so that what is hard for two models alike leaves their difference alone.
There are two kinds. A mean over rows is taken over samples with replacement, as many rows as there are. Measures of
pairs of rows, and of whole tables, would take a row that was drawn twice for two rows that agree: they are taken over
halves of the rows, drawn without replacement.
"""

import numpy as np

from gmvae.metrics.statistics import LEVEL

N_SAMPLES = 1000
KEY = 3187  # of the generators: any number
WITH_REPLACEMENT, HALVES = 0, 1  # the purposes of two generators


def draw_resamples(n_rows: int, n_samples: int = N_SAMPLES) -> np.ndarray:
    """Samples with replacement, each of as many rows as there are.

    Args:
        n_rows: The number of rows n.
        n_samples: The number of samples S.

    Returns:
        How often each row is in all rows (the first column: once) and in each sample, [n, 1 + S].

    Source: Efron 1979.
    """
    draws = np.random.default_rng([KEY, WITH_REPLACEMENT, n_rows])
    weights = np.ones((n_rows, 1 + n_samples), dtype=np.uint8)
    for sample in range(1, 1 + n_samples):
        weights[:, sample] = np.bincount(draws.integers(n_rows, size=n_rows), minlength=n_rows)
    return weights


def draw_halves(n_rows: int, n_samples: int = N_SAMPLES) -> np.ndarray:
    """Samples of half the rows, without replacement.

    Args:
        n_rows: The number of rows n.
        n_samples: The number of samples S.

    Returns:
        Whether each row is in all rows (the first column: it is) and in each sample, 1 or 0, [n, 1 + S].

    Source: Wu 1990.
    """
    draws = np.random.default_rng([KEY, HALVES, n_rows])
    weights = np.zeros((n_rows, 1 + n_samples), dtype=np.uint8)
    weights[:, 0] = 1
    for sample in range(1, 1 + n_samples):
        weights[draws.permutation(n_rows)[: half_size(n_rows)], sample] = 1
    return weights


def half_size(n_rows: int) -> int:
    """The number of rows of a half, rounded down."""
    return n_rows // 2


def resample_interval(values: np.ndarray) -> tuple[float, float]:
    """The interval of a mean over rows, at the confidence 1 - LEVEL: the quantiles of what the samples give.

    Args:
        values: The value of all rows and those of the samples with replacement, [1 + S].

    Returns:
        Its two ends.

    Source: Efron 1979, the percentile method; thesis, eq:resample.
    """
    low, high = np.nanquantile(values[1:], [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def half_interval(values: np.ndarray, n_rows: int) -> tuple[float, float]:
    """The interval of a smooth measure of n rows, at the confidence 1 - LEVEL, from subsamples of m rows.

    The difference between the value of m rows and that of all n has the law of the difference between the value of n
    rows and the truth, once it is multiplied by sqrt(m / (n - m)). For m = n / 2 this is one; then the bias, of the
    order 1 / n, is also the same, and is taken off.

    Args:
        values: The value of all rows and those of the halves, [1 + S].
        n_rows: The number of rows n, at least 2.

    Returns:
        Its two ends.

    Source: Politis and Romano 1994; Wu 1990 for m of the order of n; thesis, eq:half-sample.
    """
    n_sampled = half_size(n_rows)
    scale = np.sqrt(n_sampled / (n_rows - n_sampled))
    low, high = scale * np.nanquantile(values[1:] - values[0], [LEVEL / 2, 1 - LEVEL / 2])
    return float(values[0] - high), float(values[0] - low)
