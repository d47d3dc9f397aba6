"""Which rows are training rows and which are test rows."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gmvae.data.derived_sets import matching_rows, rows_to_keep
from gmvae.formats.dataset import ANNOTATIONS


def apportion(sizes: np.ndarray, n: int, at_most: np.ndarray) -> np.ndarray:
    """Distribute n places among strata in proportion to their sizes, by largest remainders.

    Args:
        sizes: Rows in each stratum [strata].
        n: Number of places.
        at_most: Largest number of places of each stratum [strata].

    Returns:
        Places of each stratum [strata]. Their sum is n, or as near to it as the limits allow.
    """
    sizes, at_most = np.asarray(sizes, dtype=np.int64), np.asarray(at_most, dtype=np.int64)
    quota = sizes * (n / max(sizes.sum(), 1))
    places = np.minimum(np.floor(quota + 1e-9).astype(np.int64), at_most)  # 1e-9: 0.2 * 5 is one place, not none
    for _ in range(min(n, int(at_most.sum())) - int(places.sum())):
        places[np.argmax(np.where(places < at_most, quota - places, -np.inf))] += 1
    return places


def strata(obs: pd.DataFrame, keys: tuple[str, ...] = ANNOTATIONS) -> np.ndarray:
    """Number the stratum of each row: the combination of its annotations.

    Args:
        obs: Annotations [N].
        keys: Annotations that count; those that obs lacks are ignored.

    Returns:
        Numbers of the strata [N], from 0, in sorted order of the combinations that occur.
    """
    present = [key for key in keys if key in obs]
    if not present:
        return np.zeros(len(obs), dtype=np.int64)
    return obs.groupby(present, observed=True, sort=True).ngroup().to_numpy()


def draw_rows(groups: np.ndarray, places: np.ndarray, seed: int) -> np.ndarray:
    """Draw rows of each group without replacement.

    Args:
        groups: Number of each row's group [N].
        places: How many rows to draw of each group [groups].
        seed: Seed of the draw.

    Returns:
        A mask of the drawn rows [N].
    """
    generator = np.random.default_rng(seed)
    mask = np.zeros(len(groups), dtype=bool)
    for group, n in enumerate(places):
        mask[generator.permutation(np.flatnonzero(groups == group))[:n]] = True
    return mask


def draw_split(obs: pd.DataFrame, test_share: float, seed: int) -> pd.Categorical:
    """Draw the test rows, with the same share in every combination of label, condition and batch.

    A combination with a single row goes to training: a class that was never seen cannot be tested.

    Args:
        obs: Annotations [N].
        test_share: Share of test rows among all rows.
        seed: Seed of the draw.

    Returns:
        `train` or `test` for each row [N].
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
    hold_out: dict[str, str | list[str]] | None = None,
    tested: dict[str, list[str]] | None = None,
) -> pd.Categorical:
    """Decide for each row whether it is trained on or tested: some by rule, the rest by a draw.

    Args:
        obs: Annotations [N].
        test_share: Share of test rows among the rows that are drawn from.
        seed: Seed of the draw.
        train_only: Labels that are never tested.
        hold_out: Annotations such as {label: B, condition: stimulated} or {batch: [donor 1, donor 2]}; rows that have a
            value of each are test rows.
        tested: Annotations such as {batch: [kang]}; rows without them are training rows.

    Returns:
        `train` or `test` for each row [N].

    Raises:
        Refused: An annotation or a value does not occur.
    """
    never = matching_rows(obs, "train_only", "label", train_only) if train_only else np.zeros(len(obs), dtype=bool)
    never |= ~rows_to_keep(obs, tested or {}, "tested")
    values = {key: [held] if isinstance(held, str) else held for key, held in (hold_out or {}).items()}
    always = rows_to_keep(obs, values, "hold_out") & bool(hold_out)
    free = ~never & ~always
    split = np.where(always, "test", "train").astype(object)
    split[free] = np.asarray(draw_split(obs[free], test_share, seed))
    return pd.Categorical(split, categories=["test", "train"])
