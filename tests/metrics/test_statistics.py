"""The exact test against brute force, Holm against statsmodels, the picked seed, rank correlation."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr, t, wilcoxon
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from gmvae.metrics.statistics import (
    EXACT_UP_TO,
    TESTED_FROM,
    difference_interval,
    equivalence_p,
    holm,
    paired_differences,
    picked_seed,
    rank_correlation,
    rank_interval,
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
        ([1, 2, 3, 4, 5, 7, 8, 9], [1, 1, 2, 2, 3, 3, 4, 4], True),
        ([1, 2, 3, 4, 5, 6, 7], [1, 1, 2, 2, 3, 3, 4], False),
        (range(8), [1] * 8, False),
    ],
)
def test_pairs_are_tested_if_both_vary_over_eight_or_more_seeds(a, b, is_tested):
    differences = paired_differences(pd.Series(a, dtype=float), pd.Series(b, dtype=float))
    assert (differences is not None) == is_tested


def test_the_sign_flip_test_of_ranks_is_wilcoxons():
    differences = np.random.default_rng(0).normal(0.4, 1, 11)
    signed = np.sign(differences) * (np.argsort(np.argsort(np.abs(differences))) + 1)
    exact = wilcoxon(differences, alternative="greater", method="exact").pvalue
    assert sign_flip_p(signed) == pytest.approx(exact, abs=1e-12)


def test_equivalence_is_two_one_sided_tests():
    draws = np.random.default_rng(1)
    for centre in (0.0, 0.3, -0.5):
        differences, margin = draws.normal(centre, 0.5, 9), 0.7
        signs = np.array(list(itertools.product([-1, 1], repeat=9)))
        above, below = (
            (signs @ side >= side.sum() - 1e-9).mean() for side in (margin + differences, margin - differences)
        )
        assert equivalence_p(differences, margin) == pytest.approx(max(above, below), abs=1e-12)


def test_equivalence_is_near_the_t_tests_for_normal_differences():
    differences = np.random.default_rng(2).normal(0.1, 0.5, 16)
    by_t = ttost_paired(differences, np.zeros(16), -0.4, 0.4)[0]
    assert equivalence_p(differences, 0.4) == pytest.approx(by_t, abs=0.01)


def test_a_difference_of_the_margin_is_rarely_called_none():
    draws = np.random.default_rng(3).normal(1.0, 1.0, (2000, 8))
    assert np.mean([equivalence_p(differences, 1.0) <= 0.05 for differences in draws]) < 0.065


def test_few_seeds_and_wide_scatter_are_no_evidence_of_equality():
    assert equivalence_p(np.array([0.5, -0.5, 0.4, -0.4, 0.3, -0.3, 0.2, -0.2]), 0.05) > 0.3


@settings(deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=TESTED_FROM, max_size=10))
def test_the_interval_is_what_the_sign_flip_test_does_not_reject(differences):
    differences = np.array(differences, dtype=float)
    low, high = difference_interval(differences)
    for inside in (low + 1e-6, high - 1e-6) if high - low > 1e-5 else ():
        assert two_sided_p(differences - inside) > 0.05
    for outside in (low - 1e-6, high + 1e-6):
        assert two_sided_p(differences - outside) <= 0.05


def test_the_interval_is_near_that_of_students_t_for_normal_differences():
    differences = np.random.default_rng(4).normal(0.3, 2.0, 16)
    half = t.ppf(0.975, 15) * differences.std(ddof=1) / 4
    low, high = difference_interval(differences)
    assert low == pytest.approx(differences.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(differences.mean() + half, abs=0.15 * half)


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    draws = np.random.default_rng(5).normal(2.0, 1.0, (2000, 10))
    covered = np.mean([low <= 2.0 <= high for low, high in map(difference_interval, draws)])
    assert covered == pytest.approx(1 - 2 * 25 / 1024, abs=0.015)


def test_too_few_seeds_have_no_interval():
    assert difference_interval(np.arange(TESTED_FROM - 1.0)) is None
    assert difference_interval(np.arange(float(EXACT_UP_TO + 1))) is None


def test_the_interval_of_a_rank_correlation_covers_the_true_one():
    draws, true = (
        np.random.default_rng(6),
        6 / np.pi * np.arcsin(0.25),
    )  # Spearman's of normal pairs that correlate by 1/2
    pairs = draws.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], (2000, 20))
    intervals = [rank_interval(spearmanr(x[:, 0], x[:, 1]).statistic, 20) for x in pairs]
    assert np.mean([low <= true <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.02)


def test_a_rank_correlation_without_scatter_or_with_few_seeds_has_no_interval():
    assert rank_interval(1.0, 10) is None and rank_interval(-1.0, 10) is None
    assert rank_interval(0.3, TESTED_FROM - 1) is None and rank_interval(float("nan"), 10) is None
