"""Samples of rows and their intervals: against scipy, known standard errors and the true law of a measure."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import bootstrap

from gmvae.metrics.row_samples import draw_halves, draw_resamples, half_interval, half_size, resample_interval
from gmvae.metrics.sampled_scores import adjusted_rand_indices, class_tables, mutual_informations, weighted_means

NORMAL = 1.959964  # the half width of an interval of 95 % in standard errors


def test_samples_are_what_they_are_called():
    weights, halves = draw_resamples(301, 400), draw_halves(301, 400)
    assert (weights[:, 0] == 1).all() and (halves[:, 0] == 1).all()
    assert (weights.sum(axis=0) == 301).all() and weights[:, 1:].var() == pytest.approx(1 - 1 / 301, rel=0.02)
    assert (halves[:, 1:].sum(axis=0) == 150).all() and half_size(301) == 150 and set(np.unique(halves)) == {0, 1}
    assert len(np.unique(weights.T, axis=0)) == len(np.unique(halves.T, axis=0)) == 401
    assert (weights == draw_resamples(301, 400)).all() and (halves == draw_halves(301, 400)).all()


def test_the_interval_of_a_mean_is_the_bootstrap_of_scipy():
    values = np.random.default_rng(0).gamma(2.0, size=150)
    ours = resample_interval(weighted_means(values, draw_resamples(150, 4000)))
    generator = np.random.default_rng(1)
    theirs = bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=generator).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.08 * values.std() / np.sqrt(150))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_interval_of_a_share_has_the_binomial_standard_error(share):
    right = np.arange(600) < share * 600
    low, high = resample_interval(weighted_means(right.astype(float), draw_resamples(600, 4000)))
    assert (high - low) / 2 == pytest.approx(NORMAL * np.sqrt(share * (1 - share) / 600), rel=0.06)


def test_halves_of_an_odd_number_of_rows_are_scaled_to_the_variance_of_the_mean():
    """Of all 462 subsets, exactly: the jackknife that deletes several rows has the variance s^2 / n."""
    rows = np.random.default_rng(2).normal(size=11)
    means = np.array([rows[list(chosen)].mean() for chosen in combinations(range(11), half_size(11))])
    low, high = half_interval(np.array([rows.mean(), *means]), 11)
    scale = (high - low) / np.subtract(*np.quantile(means, [0.975, 0.025]))
    assert scale**2 * means.var() == pytest.approx(rows.var(ddof=1) / 11)


JOINT = 0.7 * np.diag([0.4, 0.3, 0.2, 0.1]) + 0.3 * np.outer([0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4])
MEASURES = pytest.mark.parametrize("measure", [adjusted_rand_indices, mutual_informations])


def drawn_tables(n_rows: int, n_tables: int, seed: int) -> np.ndarray:
    """Contingency tables of rows from the law JOINT, [n_tables, 4, 4]."""
    return np.random.default_rng(seed).multinomial(n_rows, JOINT.ravel(), size=n_tables).reshape(-1, 4, 4) * 1.0


def intervals_of(measure, n_rows: int, n_sets: int) -> np.ndarray:
    """The intervals that each of some sets of rows gives, [n_sets, 2]."""
    halves, intervals = draw_halves(n_rows, 300), []
    for table in drawn_tables(n_rows, n_sets, 5).astype(int):
        cell = np.random.default_rng(6).permutation(np.repeat(np.arange(16), table.ravel()))
        intervals.append(half_interval(measure(class_tables(cell % 4, cell // 4, 4, 4, halves)), n_rows))
    return np.array(intervals)


@MEASURES
def test_halves_have_the_true_law_of_a_measure_over_the_draw_of_rows(measure):
    """The width is that of the law, and 95 % of the intervals hold the value of endless rows."""
    law, truth = measure(drawn_tables(250, 4000, 4)), measure(JOINT[None] * 1e9)[0]
    intervals = intervals_of(measure, 250, 300)
    assert np.mean(intervals[:, 1] - intervals[:, 0]) / 2 == pytest.approx(NORMAL * law.std(), rel=0.1)
    covered = np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1]))
    assert 0.91 <= covered <= 0.98


def test_the_bias_of_few_rows_is_taken_off():
    """Mutual information is too large on few rows, on resampled ones twice as much; halves know by how much."""
    law, truth = mutual_informations(drawn_tables(60, 4000, 7)), mutual_informations(JOINT[None] * 1e9)[0]
    centres = intervals_of(mutual_informations, 60, 200).mean(axis=1)
    assert law.mean() - truth > 0.02
    assert abs(centres.mean() - truth) < 0.3 * (law.mean() - truth)
