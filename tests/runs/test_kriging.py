"""Kriging of changes: limits by hand, scikit-learn's Gaussian process, and generalised least squares."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from gmvae.pipeline.errors import Refused
from gmvae.runs.responses import fitted_combination, kriging, mean_shift
from gmvae.runs.responses.type_changes import TypeChanges, find_type_changes, leave_out, median_distance

RHO, LENGTH = 0.7, 1.3


def random_types(n_types=6, n_genes=5, n_dimensions=3, seed=0):
    draws = np.random.default_rng(seed)
    sides = draws.integers(2, 40, (n_types, 2))
    return TypeChanges(
        np.arange(n_types).astype(str),
        draws.normal(size=(n_types, n_genes)),
        draws.normal(size=(n_types, n_dimensions)),
        sides.prod(1) / sides.sum(1),
    )


def test_changes_and_centres_of_the_types_are_those_by_hand():
    draws = np.random.default_rng(0)
    label, treated = np.array(list("bbbbaaac")), np.array([1, 1, 0, 0, 1, 0, 0, 1], dtype=bool)
    x, space = draws.normal(size=(8, 4)), draws.normal(size=(8, 2))
    types = find_type_changes(x, label, treated, space)
    assert list(types.names) == ["a", "b"] and types.precision == pytest.approx([2 / 3, 1])
    assert types.changes[0] == pytest.approx(x[4] - x[5:7].mean(0))
    assert types.centres == pytest.approx(np.array([space[5:7].mean(0), space[2:4].mean(0)]))
    assert list(leave_out(types, 0).names) == ["b"] and leave_out(types, 1).changes.shape == (1, 4)
    assert len(find_type_changes(x[4:5], label[4:5], treated[4:5]).names) == 0
    assert median_distance(np.array([[0.0], [3.0], [3.0], [7.0]])) == 4 and median_distance(np.ones((3, 2))) == 1


def test_the_expected_change_about_a_known_trend_is_scikit_learn_s():
    types, v = random_types(), 2.5
    for at in (types.centres[0], np.ones(3)):
        kernel = ConstantKernel(RHO * v) * RBF(LENGTH)
        process = GaussianProcessRegressor(kernel, alpha=v / types.precision, optimizer=None)
        expected = process.fit(types.centres, types.changes).predict(at[None])[0]
        assert kriging.expected_change(types, at, RHO, LENGTH, trend=np.zeros(5)) == pytest.approx(expected)


def test_the_trend_is_generalised_least_squares_and_the_limit_of_a_wide_prior():
    """Far from all types only the trend is left; a constant of huge variance in scikit-learn's kernel is a flat b."""
    types = random_types()
    root = np.linalg.cholesky(np.linalg.inv(kriging.covariance(types, RHO, LENGTH)))
    ones, changes = root.T @ np.ones((6, 1)), root.T @ types.changes
    by_least_squares = np.linalg.lstsq(ones, changes, rcond=None)[0][0]
    assert kriging.expected_change(types, np.full(3, 1e3), RHO, LENGTH) == pytest.approx(by_least_squares)
    kernel = ConstantKernel(RHO) * RBF(LENGTH) + ConstantKernel(1e6)
    process = GaussianProcessRegressor(kernel, alpha=1 / types.precision, optimizer=None)
    wide = process.fit(types.centres, types.changes).predict(types.centres[:1] + 0.3)[0]
    assert kriging.expected_change(types, types.centres[0] + 0.3, RHO, LENGTH) == pytest.approx(wide, abs=1e-5)


def test_the_evidence_is_the_density_of_the_changes_up_to_a_constant():
    """Against scipy: b integrated out is the density of T - 1 contrasts; v is maximised over a fine grid."""
    types = random_types()
    contrasts = np.linalg.svd(np.ones((1, 6)))[2][1:]  # T - 1, T: orthogonal to a constant

    def by_scipy(rho, length):
        matrix = contrasts @ kriging.covariance(types, rho, length) @ contrasts.T
        values = [
            sum(multivariate_normal.logpdf(contrasts @ gene, cov=v * matrix) for gene in types.changes.T)
            for v in np.exp(np.linspace(-3, 5, 4001))
        ]
        return max(values)

    pairs = [(RHO, LENGTH), (0.1, 0.5), (5.0, 3.0)]
    differences = [kriging.evidence(types, *pair) - by_scipy(*pair) for pair in pairs]
    assert differences == pytest.approx([differences[0]] * 3, abs=1e-3)


def test_limits_in_which_the_answer_is_known():
    types = random_types()
    assert (kriging.krige(leave_out_all_but_one(types), np.ones(3)) == types.changes[0]).all()
    together = types._replace(centres=np.ones((6, 3)))
    weighted = types.precision @ types.changes / types.precision.sum()
    assert kriging.krige(together, np.ones(3)) == pytest.approx(weighted)
    alike = types._replace(changes=np.tile(types.changes[0], (6, 1)))
    assert kriging.krige(alike, np.ones(3)) == pytest.approx(types.changes[0])
    zero = types._replace(changes=np.zeros((6, 5)))
    assert (kriging.krige(zero, np.ones(3)) == 0).all()


def leave_out_all_but_one(types):
    return TypeChanges(*(values[:1] for values in types))


def response_cells(n_types=9, n_genes=40, n=60, seed=0):
    """Types along a line, which change the more the farther they are on it: x, label, treated, control, stimulated."""
    draws = np.random.default_rng(seed)
    direction, moved = 6 * draws.normal(size=n_genes) / n_genes**0.5, draws.normal(size=n_genes)
    place = np.linspace(-1, 1, n_types)
    label = np.repeat(np.arange(n_types), n)
    treated = np.tile(np.arange(n) % 2 == 1, n_types)
    base = place[label, None] * direction
    x = base + treated[:, None] * (1 + place[label, None]) * moved + 0.5 * draws.normal(size=(len(label), n_genes))
    held, known = label == 6, (label != 6) | ~treated
    return x[known], label[known].astype(str), treated[known], x[held & ~treated], x[held & treated]


def test_a_change_that_varies_between_types_is_better_predicted_than_by_its_mean():
    x, label, treated, control, stimulated = response_cells()
    real = stimulated.mean(0) - control.mean(0)

    def error(change):
        return ((change - real) ** 2).sum()

    by_kriging = error(kriging.change(x, label, treated, control))
    assert by_kriging < 0.5 * error(mean_shift.change(x, label, treated, control))
    fitted = fitted_combination.change(x, label, treated, control, stimulated)
    assert error(fitted) <= by_kriging
    changes = find_type_changes(x, label, treated).changes
    assert changes @ (fitted - real) == pytest.approx(0, abs=1e-8)  # normal equations


def test_a_set_in_which_no_type_is_seen_twice_is_refused():
    x, label, treated, control, stimulated = response_cells()
    lone = label == "6"
    for method, more in ((kriging, ()), (fitted_combination, (stimulated,))):
        with pytest.raises(Refused, match="seen under both"):
            method.change(x[lone], label[lone], treated[lone], control, *more)
