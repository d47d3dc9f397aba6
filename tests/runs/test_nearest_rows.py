"""Nearest rows against scikit-learn, where rounding and ties are hard, and with rows that are candidates themselves."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from gmvae.runs.nearest_rows import nearest_rows


def by_sklearn(points, candidates, k):
    """Positions of the k nearest candidates by scikit-learn, in float64 without products of matrices."""
    return NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(candidates).kneighbors(points)


@pytest.mark.parametrize("offset", [0.0, 300.0])  # far from the origin, float32 has no digit left for the distances
def test_neighbours_of_other_points_are_scikit_learns(offset, monkeypatch):
    monkeypatch.setattr("gmvae.runs.nearest_rows.BLOCK", 64 * 700)  # several blocks, the last one smaller
    draws = np.random.default_rng(0)
    candidates, points = draws.normal(size=(700, 4)) + offset, draws.normal(size=(200, 4)) + offset
    positions, squares = nearest_rows(points, candidates, 15, np.full(len(points), -1))
    distances, expected = by_sklearn(points, candidates, 15)
    assert np.array_equal(positions, expected)
    np.testing.assert_allclose(np.sqrt(squares), distances, rtol=1e-10)


def test_a_row_is_not_its_own_neighbour_even_beside_its_copies():
    draws = np.random.default_rng(1)
    rows = np.repeat(draws.normal(size=(40, 3)), 2, axis=0)  # each row twice
    positions, squares = nearest_rows(rows, rows, 5, np.arange(80))
    assert (positions != np.arange(80)[:, None]).all()
    assert np.array_equal(positions[:, 0], np.arange(80) ^ 1) and (squares[:, 0] == 0).all()


def test_of_equally_near_rows_the_first_are_taken():
    rows = np.zeros((100, 2))
    rows[60:] = 1
    positions, _ = nearest_rows(rows, rows, 4, np.arange(100))
    assert positions[0].tolist() == [1, 2, 3, 4] and positions[2].tolist() == [0, 1, 3, 4]
    assert positions[70].tolist() == [60, 61, 62, 63]


def test_all_other_rows_can_be_neighbours():
    rows = np.arange(5.0)[:, None] ** 2
    positions, _ = nearest_rows(rows, rows, 4, np.arange(5))
    assert positions.tolist() == [[1, 2, 3, 4], [0, 2, 3, 4], [1, 0, 3, 4], [2, 4, 1, 0], [3, 2, 1, 0]]
