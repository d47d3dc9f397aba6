"""Which rows are training rows and which are test rows."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gmvae.data.derived_sets import matching_rows, rows_to_keep
from gmvae.formats.dataset import ANNOTATIONS


def apportion(sizes: np.ndarray, n: int, at_most: np.ndarray) -> np.ndarray:
    """How many of n places each stratum gets [strata]: in proportion to sizes [strata], by largest remainders.

    No stratum gets more than `at_most` [strata]. The sum is n wherever the limits allow it, else as near as they do.
    """
    sizes, at_most = np.asarray(sizes, dtype=np.int64), np.asarray(at_most, dtype=np.int64)
    quota = sizes * (n / max(sizes.sum(), 1))
    places = np.minimum(np.floor(quota + 1e-9).astype(np.int64), at_most)  # 1e-9: 0.2 * 5 is one place, not none
    for _ in range(min(n, int(at_most.sum())) - int(places.sum())):
        places[np.argmax(np.where(places < at_most, quota - places, -np.inf))] += 1
    return places


def strata(obs: pd.DataFrame, keys: tuple[str, ...] = ANNOTATIONS) -> np.ndarray:
    """The stratum of each row [N] int: the combinations of those keys that `obs` has, numbered in sorted order."""
    present = [key for key in keys if key in obs]
    if not present:
        return np.zeros(len(obs), dtype=np.int64)
    return obs.groupby(present, observed=True, sort=True).ngroup().to_numpy()


def draw_rows(groups: np.ndarray, places: np.ndarray, seed: int) -> np.ndarray:
    """A mask [N] that is true for places[g] rows of each group g, drawn without replacement from groups [N]."""
    generator = np.random.default_rng(seed)
    mask = np.zeros(len(groups), dtype=bool)
    for group, n in enumerate(places):
        mask[generator.permutation(np.flatnonzero(groups == group))[:n]] = True
    return mask


def draw_split(obs: pd.DataFrame, test_share: float, seed: int) -> pd.Categorical:
    """Train or test for each row [N], the shares alike in every combination of label, condition and batch.

    A combination of a single row goes to training: what was never seen cannot be tested.
    """
    groups = strata(obs)
    sizes = np.bincount(groups)
    places = apportion(sizes, round(test_share * len(obs)), at_most=sizes - 1)
    return pd.Categorical(np.where(draw_rows(groups, places, seed), "test", "train"), categories=["test", "train"])


def divide_rows(
    obs: pd.DataFrame,
    test_share: float,
    seed: int,
    train_only: Iterable[str] = (),
    hold_out: dict[str, str] | None = None,
    tested: dict[str, list[str]] | None = None,
) -> pd.Categorical:
    """Train or test for each row [N]: rows held out are tested, labels for training only are not, the rest is drawn.

    hold_out: annotations, as {label: B, condition: stimulated}; rows that have them all are test rows.
    tested: annotations, as {batch: [kang]}; rows without them are not tested, and the share is one of the others.
    """
    never = matching_rows(obs, "train_only", "label", train_only) if train_only else np.zeros(len(obs), dtype=bool)
    never |= ~rows_to_keep(obs, tested or {}, "tested")
    held = rows_to_keep(obs, {key: [value] for key, value in (hold_out or {}).items()}) & bool(hold_out)
    free = ~never & ~held
    found = np.where(held, "test", "train").astype(object)
    found[free] = np.asarray(draw_split(obs[free], test_share, seed))
    return pd.Categorical(found, categories=["test", "train"])
