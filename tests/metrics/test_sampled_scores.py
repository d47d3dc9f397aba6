"""The measures of many samples at once are those of scores.py on each sample."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from gmvae.metrics import scores
from gmvae.metrics.row_samples import draw_halves, draw_resamples
from gmvae.metrics.sampled_scores import (
    adjusted_rand_indices,
    agreements,
    class_tables,
    mutual_informations,
    silhouette_rows,
    silhouettes,
    weighted_means,
)

DRAWS = np.random.default_rng(0)
TRUTH = DRAWS.integers(4, size=90)
CLUSTER = np.where(DRAWS.random(90) < 0.6, TRUTH, DRAWS.integers(5, size=90))
WEIGHTS = draw_resamples(90, 20)
TABLES = class_tables(TRUTH, CLUSTER, 4, 5, WEIGHTS)


def of_each_sample(measure) -> list[float]:
    """A measure of the rows of each sample, written out with repetitions."""
    repeated = [np.repeat(np.arange(90), weights.astype(int)) for weights in WEIGHTS.T]
    return [measure(TRUTH[rows], CLUSTER[rows]) for rows in repeated]


def test_tables_and_what_is_counted_from_them():
    tables = of_each_sample(lambda truth, cluster: scores.contingency(truth, cluster, 4, 5))
    assert (np.array(tables) == TABLES).all()
    names = np.array([2, 1, -1, 3, 0])
    shares = of_each_sample(lambda truth, cluster: scores.agreement(truth, cluster, names))
    assert agreements(TABLES, names) == pytest.approx(shares)
    assert mutual_informations(TABLES) == pytest.approx([scores.mutual_information(table) for table in tables])
    assert adjusted_rand_indices(TABLES) == pytest.approx([scores.adjusted_rand_index(table) for table in tables])


def test_one_class_in_one_component_is_perfect_and_no_rows_are_nothing():
    tables = np.zeros((2, 3, 3))
    tables[0, 1, 2] = 7
    for measure in (mutual_informations, adjusted_rand_indices):
        assert measure(tables)[0] == 1 and np.isnan(measure(tables)[1])
    assert np.isnan(agreements(tables, np.arange(3))[1])


def test_means_leave_out_rows_without_a_value():
    values = DRAWS.normal(-500, 1, size=90)
    values[::3] = np.nan
    there = np.isfinite(values)
    expected = [np.average(values[there], weights=weights[there]) for weights in WEIGHTS.T.astype(np.float64)]
    assert weighted_means(values, WEIGHTS) == pytest.approx(expected, abs=1e-5)


def test_silhouettes_are_those_of_scikit_learn():
    z, halves = DRAWS.normal(size=(90, 3)) + TRUTH[:, None], draw_halves(90, 300)
    ours = silhouettes(z, TRUTH, halves)
    expected = [silhouette_score(z[half > 0], TRUTH[half > 0]) for half in halves.T]
    assert ours == pytest.approx(expected, abs=1e-5)


def test_silhouettes_of_lone_points_are_zero_and_of_one_class_nothing():
    z, truth = DRAWS.normal(size=(6, 2)), np.array([0, 0, 0, 1, 2, 2])
    samples = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 1, 0]], np.float32).T
    full, lone, one_class, singles = silhouettes(z, truth, samples)
    assert full == pytest.approx(scores.silhouette(z, truth), abs=1e-6)
    assert lone == pytest.approx(silhouette_score(z[:4], truth[:4]), abs=1e-6)
    assert np.isnan(one_class) and np.isnan(singles)


def test_silhouettes_are_of_the_rows_that_the_evaluation_takes():
    z, truth = DRAWS.normal(size=(2100, 2)), DRAWS.integers(3, size=2100)
    rows = silhouette_rows(2100)
    value = silhouettes(z[rows], truth[rows], np.ones((2000, 1), np.float32))
    assert value == pytest.approx(scores.silhouette(z, truth), abs=1e-6)
    assert (silhouette_rows(7) == np.arange(7)).all()
