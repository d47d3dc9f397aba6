"""Calibration against its definition, scikit-learn's curve and cells whose probabilities are right."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from gmvae.cells.biology.calibration import calibration_error, class_probabilities, reliability


def test_the_error_of_five_cells_is_that_by_hand():
    table = reliability(np.array([0.55, 0.6, 0.95, 0.9, 1.0]), np.array([True, False, True, True, False]))
    # bins (0.5, 0.6], (0.8, 0.9] and (0.9, 1.0], where each has its upper end
    assert table["cells"].tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 1, 2]
    expected = (2 * abs(0.5 - 0.575) + 1 * abs(1 - 0.9) + 2 * abs(0.5 - 0.975)) / 5
    assert calibration_error(table) == pytest.approx(expected)


def test_the_curve_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    confidence = generator.random(3000)
    correct = generator.random(3000) < confidence**2
    table = reliability(confidence, correct)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=10)
    assert np.allclose(table["accuracy"], accuracy) and np.allclose(table["confidence"], mean)


def test_right_probabilities_have_no_error_and_wrong_ones_their_distance():
    generator = np.random.default_rng(1)
    confidence = generator.uniform(0.3, 1, 200_000)
    right = generator.random(len(confidence)) < confidence
    assert calibration_error(reliability(confidence, right)) < 0.005
    sure = reliability(np.minimum(confidence + 0.2, 1), right)
    assert calibration_error(sure) == pytest.approx(np.mean(np.minimum(confidence + 0.2, 1) - confidence), abs=0.01)


def test_no_cells_have_no_error():
    table = reliability(np.zeros(0), np.zeros(0, dtype=bool))
    assert table["cells"].sum() == 0 and np.isnan(calibration_error(table))


def test_probabilities_of_clusters_of_one_class_are_added():
    q_y = np.array([[0.5, 0.3, 0.1, 0.1]])
    assert class_probabilities(q_y, np.array([1, 1, 0, -1]), 3) == pytest.approx(np.array([[0.1, 0.8, 0.0]]))
