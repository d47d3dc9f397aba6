"""UMAP at less cost: the same coordinates as UMAP's own way gives, and distances as SciPy has them."""

import numpy as np
import pytest
import umap
from scipy.spatial.distance import cdist

from gmvae.metrics.light_umap import COMPILED, pair_distances, reduce_dimensions


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).normal(size=(150, 4)).astype(np.float32)


@pytest.mark.parametrize("seed", [0, 5])
def test_the_coordinates_are_those_that_umap_finds_by_itself(points, seed):
    settings = {"n_components": 3, "n_neighbors": 10, "min_dist": 0.1}
    reducer = umap.UMAP(random_state=seed, transform_seed=seed, n_jobs=1, **settings)
    expected = reducer.fit_transform(points[:120]), reducer.transform(points[120:])
    _, (fitted, placed) = reduce_dimensions(points[:120], points[120:], [3, seed], **settings)
    assert np.array_equal(fitted, expected[0]) and np.array_equal(placed, expected[1])


def test_without_other_rows_nothing_is_placed(points):
    ((fitted, placed),) = reduce_dimensions(points, points[:0], [0], n_neighbors=10)
    assert fitted.shape == (150, 2) and placed.shape == (0, 2)


def test_distances_of_pairs_are_those_of_scipy(points):
    x, y = points[:20], points[15:]
    assert pair_distances(x, y) == pytest.approx(cdist(x.astype(np.float64), y.astype(np.float64)), rel=1e-6)
    assert (np.diag(pair_distances(x, x)) == 0).all()


def test_no_function_that_is_kept_on_disk_is_compiled_in_every_process(points):
    reduce_dimensions(points[:120], points[120:], [0], n_neighbors=10)
    used = [function for function in COMPILED if function.signatures]
    assert used
    for function in used:
        assert sum(function.stats.cache_hits.values()) + sum(function.stats.cache_misses.values()) > 0
