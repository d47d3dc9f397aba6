"""The exact test against brute force and scipy, Holm against statsmodels, the picked seed, rank correlation."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test, spearmanr
from statsmodels.stats.multitest import multipletests

from gmvae.metrics.statistics import (
    holm,
    paired_differences,
    picked_seed,
    rank_correlation,
    sign_flip_p,
    two_sided_p,
    values_by_seed,
)
from gmvae.pipeline.errors import Refused


def table(**models: dict) -> pd.DataFrame:
    """Metrics of one task: model={("metric", "split"): values by seed}."""
    rows = [
        ("t", model, seed, split, metric, value)
        for model, of_model in models.items()
        for (metric, split), by_seed in of_model.items()
        for seed, value in enumerate(by_seed)
    ]
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=10))
def test_sign_flip_p_is_the_share_of_all_sign_choices(differences):
    signs = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    by_hand = np.mean(signs @ np.array(differences) >= sum(differences))
    assert sign_flip_p(np.array(differences, dtype=float)) == pytest.approx(by_hand, abs=0)


def test_sign_flip_p_agrees_with_scipy():
    differences = np.random.default_rng(1).normal(0.4, 1, 9)
    other = permutation_test(
        (differences,), np.sum, permutation_type="samples", alternative="greater", n_resamples=10**5
    )
    assert sign_flip_p(differences) == pytest.approx(other.pvalue)


def test_sums_that_differ_by_rounding_are_ties():
    assert sign_flip_p(np.array([0.1, 0.2, -0.3, 0.0])) == sign_flip_p(np.array([1.0, 2.0, -3.0, 0.0]))


def test_two_sided_p_is_symmetric_and_one_where_nothing_differs():
    differences = np.array([0.3, 0.1, -0.2, 0.5, 0.4, 0.6, 0.2])
    assert two_sided_p(differences) == two_sided_p(-differences) < 1
    assert two_sided_p(np.zeros(7)) == 1


def test_many_seeds_are_counted_exactly_and_too_many_are_refused():
    assert sign_flip_p(np.arange(1.0, 31.0)) == pytest.approx(2.0**-30)
    with pytest.raises(Refused, match="at most 40"):
        sign_flip_p(np.ones(41))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p):
    assert np.allclose(holm(p), multipletests(p, method="holm")[1])


def test_holm_of_nothing_is_nothing():
    assert len(holm([])) == 0


def test_the_seed_is_picked_by_training_objective_only():
    metrics = table(
        a={
            ("objective", "train"): [1, 3, 3, 2],
            ("objective", "test"): [9, 0, 0, 0],
            ("accuracy", "test"): [1, 0, 0, 0],
        },
        b={("accuracy", "test"): [1, 0, 0, 0]},
    )
    assert picked_seed(metrics, "t", "a") == 1
    assert picked_seed(metrics, "t", "b") is None


def test_rank_correlation_is_spearmans():
    draws = np.random.default_rng(2)
    objective, accuracy = draws.normal(size=8), draws.integers(0, 4, 8) / 4
    metrics = table(a={("objective", "train"): objective, ("accuracy", "test"): accuracy})
    assert rank_correlation(metrics, "t", "a", "accuracy") == pytest.approx(spearmanr(objective, accuracy).statistic)
    constant = table(a={("objective", "train"): objective, ("accuracy", "test"): np.ones(8)})
    assert np.isnan(rank_correlation(constant, "t", "a", "accuracy"))


def test_values_leave_out_what_is_not_finite():
    metrics = table(a={("bound", "test"): [1.0, np.nan, 2.0]})
    assert values_by_seed(metrics, "t", "a", "bound").to_dict() == {0: 1.0, 2: 2.0}


@pytest.mark.parametrize(
    ("one", "other", "tested"),
    [
        ([1, 2, 3, 4, 5, 7], [1, 1, 2, 2, 3, 3], True),
        ([1, 2, 3, 4, 5], [1, 1, 2, 2, 3], False),
        (range(6), [1] * 6, False),
    ],
)
def test_pairs_are_tested_from_six_seeds_and_where_both_vary(one, other, tested):
    pair = paired_differences(pd.Series(one, dtype=float), pd.Series(other, dtype=float))
    assert (pair is not None) == tested
