"""What results of several seeds can carry: an exact paired test, Holm's correction, the picked seed, rank correlation.

Seeds are replicates of training on one data set, not of the data: what is shown here is shown for these rows.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gmvae.pipeline.errors import Refused

LEVEL = 0.05
TESTED_FROM = 6  # below six seeds no paired sign-flip test reaches the level after any correction
LIMIT = 40  # two halves of 2^20 signed sums each: more would not fit in memory


def sign_flip_p(differences: np.ndarray) -> float:
    """Exact one-sided p of the paired sign-flip test: the share of all 2^n sign choices with a sum at least as large.

    `differences` [n], one per seed. Under the null hypothesis each difference is as likely to have the other sign
    (Fisher 1935). The 2^n sums are counted by halves: for each sum of the one, how many of the other reach the rest.
    """
    differences = np.asarray(differences, dtype=float)
    if len(differences) > LIMIT:
        raise Refused(f"seeds: {len(differences)} found, the exact paired test takes at most {LIMIT}; list fewer seeds")
    half = len(differences) // 2
    left, right = signed_sums(differences[:half]), np.sort(signed_sums(differences[half:]))
    tolerance = 1e-9 * max(np.abs(differences).sum(), 1e-300)  # sums that differ by rounding only are ties
    reached = len(right) - np.searchsorted(right, differences.sum() - tolerance - left, side="left")
    return float(reached.sum() / 2.0 ** len(differences))


def signed_sums(values: np.ndarray) -> np.ndarray:
    """The 2^n sums of the values with every choice of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def two_sided_p(differences: np.ndarray) -> float:
    """The two-sided p of the paired sign-flip test: twice the smaller one-sided p, at most 1."""
    differences = np.asarray(differences, dtype=float)
    return min(1.0, 2 * min(sign_flip_p(differences), sign_flip_p(-differences)))


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjusted p-values (Holm 1979): compare each with the level to hold the family's error."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def values_by_seed(metrics: pd.DataFrame, task: str, model: str, metric: str, split: str = "test") -> pd.Series:
    """The values of one metric by seed; empty where there are none. Rows that are not finite are left out."""
    chosen = metrics[
        (metrics.task == task) & (metrics.model == model) & (metrics.metric == metric) & (metrics.split == split)
    ]
    by_seed = chosen.set_index("seed")["value"].sort_index()
    return by_seed[np.isfinite(by_seed)]


def picked_seed(metrics: pd.DataFrame, task: str, model: str) -> int | None:
    """The seed with the largest mean training objective, the first of equals; None for models without an objective."""
    objective = values_by_seed(metrics, task, model, "objective", "train")
    return None if objective.empty else int(objective.idxmax())


def rank_correlation(metrics: pd.DataFrame, task: str, model: str, metric: str) -> float:
    """Spearman's correlation over seeds of training objective and test metric; NaN where it is undefined."""
    pair = pd.concat(
        [values_by_seed(metrics, task, model, "objective", "train"), values_by_seed(metrics, task, model, metric)],
        axis=1,
    ).dropna()
    if len(pair) < 3 or (pair.nunique() < 2).any():
        return float("nan")
    return float(pair.rank().corr().iloc[0, 1])


def varies(by_seed: pd.Series) -> bool:
    """Whether the values differ between seeds; where they do not (a deterministic method), no paired test is made."""
    return by_seed.nunique() > 1


def paired_differences(one: pd.Series, other: pd.Series) -> np.ndarray | None:
    """The differences by seed; None where the pair is not tested: too few common seeds, or a side that never varies."""
    both = pd.concat([one, other], axis=1, join="inner").to_numpy()
    if len(both) < TESTED_FROM or not varies(one) or not varies(other):
        return None
    return both[:, 0] - both[:, 1]
