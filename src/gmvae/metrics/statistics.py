"""What results of several seeds can show: exact paired tests and intervals, Holm's correction, rank correlation.

Seeds are replicates of training on one dataset, not of the data: a result holds for these rows.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from gmvae.pipeline.errors import Refused

LEVEL = 0.05
TESTED_FROM = 8  # below eight seeds no paired sign-flip test reaches the level once seven are corrected together
EXACT_UP_TO = 20  # seeds: all 2^n sign choices are enumerated, which takes four seconds for 20 and eight for 21


def sign_flip_p(differences: np.ndarray) -> float:
    """Exact one-sided p-value of the paired sign-flip test: the share of all 2^n sign choices whose sum is as large.

    Under the null hypothesis, each difference is as likely to have the other sign.

    Args:
        differences: One difference per seed, [n].

    Returns:
        The p-value for a positive mean difference.

    Raises:
        Refused: There are fewer than 2 or more than EXACT_UP_TO seeds.

    Source: Fisher 1935; thesis, eq:signflip.
    """
    from scipy.stats import permutation_test  # here, because it takes as long to import as all else in a table's step

    differences = np.asarray(differences, dtype=float)
    if not 2 <= len(differences) <= EXACT_UP_TO:
        raise Refused(
            f"seeds: found {len(differences)}; allowed for the exact paired test: 2 to {EXACT_UP_TO}; list other seeds"
        )
    sums = permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf, batch=1 << 12
    ).null_distribution
    rounding = 1e-9 * np.abs(differences).sum()  # sums that differ by rounding only are ties
    return float(np.mean(sums >= differences.sum() - rounding))


def two_sided_p(differences: np.ndarray) -> float:
    """The two-sided p-value of the paired sign-flip test: twice the smaller one-sided p-value, at most 1.

    Args:
        differences: One difference per seed, [n].

    Returns:
        The p-value.

    Raises:
        Refused: There are too few or too many seeds for `sign_flip_p`.
    """
    differences = np.asarray(differences, dtype=float)
    return min(1.0, 2 * min(sign_flip_p(differences), sign_flip_p(-differences)))


def equivalence_p(differences: np.ndarray, margin: float) -> float:
    """The p-value of two one-sided sign-flip tests: small where the mean difference is surely within the margin.

    The null hypothesis is that the difference is as large as the margin, so that equality has to be shown.

    Args:
        differences: One difference per seed, [n].
        margin: The largest difference that counts as none, above 0.

    Returns:
        The larger of the two one-sided p-values.

    Raises:
        Refused: There are too few or too many seeds for `sign_flip_p`.

    Source: Schuirmann 1987; thesis, eq:equivalence.
    """
    differences = np.asarray(differences, dtype=float)
    return max(sign_flip_p(margin + differences), sign_flip_p(margin - differences))


def difference_interval(differences: np.ndarray) -> tuple[float, float] | None:
    """The exact interval of a mean difference: the values that the two-sided sign-flip test does not reject.

    The means of the 2^n - 1 non-empty subsets cut the line into 2^n parts that are equally likely to hold the centre.

    Args:
        differences: One difference per seed, [n].

    Returns:
        Its two ends, at the confidence 1 - LEVEL or a little above; None below TESTED_FROM or above EXACT_UP_TO seeds.

    Source: Hartigan 1969; thesis, eq:interval.
    """
    sums, counts = np.zeros(1), np.zeros(1)
    n_seeds = len(differences)
    if not TESTED_FROM <= n_seeds <= EXACT_UP_TO:
        return None
    for difference in differences:
        sums, counts = np.concatenate([sums, sums + difference]), np.concatenate([counts, counts + 1])
    means = np.sort(sums[1:] / counts[1:])
    n_outside = int(LEVEL / 2 * 2**n_seeds)  # parts left out at each end
    return float(means[n_outside - 1]), float(means[-n_outside])


def rank_interval(correlation: float, n_seeds: int) -> tuple[float, float] | None:
    """An approximate interval of Spearman's correlation, at the confidence 1 - LEVEL.

    Args:
        correlation: The correlation.
        n_seeds: The number of pairs that it was counted on.

    Returns:
        Its two ends; None where the correlation is not strictly between -1 and 1, or below TESTED_FROM pairs.

    Source: Bonett and Wright 2000, Fisher's transformation with their variance; thesis, eq:rank-interval.
    """
    if not abs(correlation) < 1 or n_seeds < TESTED_FROM:
        return None
    half = NormalDist().inv_cdf(1 - LEVEL / 2) * np.sqrt((1 + correlation**2 / 2) / (n_seeds - 3))
    centre = np.arctanh(correlation)
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjusted p-values: compared with a level, they control the error of the whole family.

    Args:
        p: The p-values of a family of tests.

    Returns:
        The adjusted p-values, in the same order.

    Source: Holm 1979.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def values_by_seed(metrics: pd.DataFrame, task: str, model: str, metric: str, split: str = "test") -> pd.Series:
    """The finite values of one metric of one run.

    Args:
        metrics: A table with the columns of metrics.csv.
        task: A task.
        model: A model.
        metric: A metric.
        split: `train` or `test`.

    Returns:
        The values, with the seeds as index; empty if there are none.
    """
    rows = metrics[
        (metrics.task == task) & (metrics.model == model) & (metrics.metric == metric) & (metrics.split == split)
    ]
    by_seed = rows.set_index("seed")["value"].sort_index()
    return by_seed[np.isfinite(by_seed)]


def picked_seed(metrics: pd.DataFrame, task: str, model: str) -> int | None:
    """The seed with the largest mean training objective, the first if several are equal.

    Args:
        metrics: A table with the columns of metrics.csv.
        task: A task.
        model: A model.

    Returns:
        The seed; None for models without an objective.
    """
    objective = values_by_seed(metrics, task, model, "objective", "train")
    return None if objective.empty else int(objective.idxmax())


def rank_correlation(metrics: pd.DataFrame, task: str, model: str, metric: str) -> float:
    """Spearman's correlation over seeds of the training objective and a metric on the test split.

    Args:
        metrics: A table with the columns of metrics.csv.
        task: A task.
        model: A model.
        metric: A metric.

    Returns:
        The correlation; NaN if one of the two is constant, or if fewer than three seeds have both.
    """
    objective = values_by_seed(metrics, task, model, "objective", "train")
    both = pd.concat([objective, values_by_seed(metrics, task, model, metric)], axis=1)
    return float(both.corr(method="spearman", min_periods=3).iloc[0, 1])


def varies(by_seed: pd.Series) -> bool:
    """Whether the values differ between seeds; if not (a deterministic method), no paired test is made."""
    return by_seed.nunique() > 1


def paired_differences(a: pd.Series, b: pd.Series) -> np.ndarray | None:
    """The differences of two runs, seed by seed.

    Args:
        a: Values by seed.
        b: Values by seed, to be subtracted.

    Returns:
        The differences over the common seeds; None if these are too few to test, or if a or b does not vary.
    """
    both = pd.concat([a, b], axis=1, join="inner").to_numpy()
    if len(both) < TESTED_FROM or not varies(a) or not varies(b):
        return None
    return both[:, 0] - both[:, 1]
