"""The exact test against brute force, Holm against statsmodels, the picked seed, rank correlation."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from statsmodels.stats.multitest import multipletests

from gmvae.metrics.statistics import (
    EXACT_UP_TO,
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


@settings(deadline=None)  # the first call imports scipy.stats
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=10))
def test_sign_flip_p_is_the_share_of_all_sign_choices(differences):
    signs = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    by_hand = np.mean(signs @ np.array(differences) >= sum(differences))
    assert sign_flip_p(np.array(differences, dtype=float)) == pytest.approx(by_hand, abs=0)
    assert sign_flip_p(np.array(differences) / 7) == pytest.approx(by_hand, abs=0)


def test_sums_that_differ_by_rounding_are_ties():
    assert sign_flip_p(np.array([0.1, 0.2, -0.3, 0.0])) == sign_flip_p(np.array([1.0, 2.0, -3.0, 0.0]))


def test_two_sided_p_is_symmetric_and_one_where_nothing_differs():
    differences = np.array([0.3, 0.1, -0.2, 0.5, 0.4, 0.6, 0.2])
    assert two_sided_p(differences) == two_sided_p(-differences) < 1
    assert two_sided_p(np.zeros(7)) == 1


def test_the_test_is_exact_up_to_its_limit_and_refuses_more_seeds():
    assert sign_flip_p(np.arange(1.0, 17.0)) == 2.0**-16
    for n in (1, EXACT_UP_TO + 1):
        with pytest.raises(Refused, match=f"seeds.*{n}.*{EXACT_UP_TO}"):
            sign_flip_p(np.ones(n))


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


def test_rank_correlation_is_that_of_scipy_and_undefined_for_few_seeds_and_constants():
    draws = np.random.default_rng(2)
    objective, accuracy = draws.normal(size=8), draws.integers(0, 4, 8) / 4
    metrics = table(a={("objective", "train"): objective, ("accuracy", "test"): accuracy})
    assert rank_correlation(metrics, "t", "a", "accuracy") == pytest.approx(spearmanr(objective, accuracy).statistic)
    few = table(a={("objective", "train"): objective[:2], ("accuracy", "test"): accuracy[:2]})
    assert np.isnan(rank_correlation(few, "t", "a", "accuracy"))
    constant = table(a={("objective", "train"): objective, ("accuracy", "test"): np.ones(8)})
    assert np.isnan(rank_correlation(constant, "t", "a", "accuracy"))


def test_values_that_are_not_finite_are_left_out():
    metrics = table(a={("bound", "test"): [1.0, np.nan, 2.0]})
    assert values_by_seed(metrics, "t", "a", "bound").to_dict() == {0: 1.0, 2: 2.0}


@pytest.mark.parametrize(
    ("a", "b", "is_tested"),
    [
        ([1, 2, 3, 4, 5, 7], [1, 1, 2, 2, 3, 3], True),
        ([1, 2, 3, 4, 5], [1, 1, 2, 2, 3], False),
        (range(6), [1] * 6, False),
    ],
)
def test_pairs_are_tested_if_both_vary_over_six_or_more_seeds(a, b, is_tested):
    differences = paired_differences(pd.Series(a, dtype=float), pd.Series(b, dtype=float))
    assert (differences is not None) == is_tested
