"""Cells that a model makes up: their distribution, and classifiers whose answer is known."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from gmvae.runs.biology.generated_cells import area_under_curve, draw_counts, take_cells


class Dispersions:
    """What `draw_counts` takes of a model: the dispersions of one seed."""

    class p:
        log_r = torch.log(torch.tensor([[[2.0, 0.5, 20.0]]]))


def test_counts_have_the_mean_and_the_variance_of_the_negative_binomial():
    mean = np.tile([[3.0, 1.0, 8.0]], (200_000, 1))
    counts = draw_counts(Dispersions, mean, np.random.default_rng(0))
    assert counts.mean(axis=0) == pytest.approx(mean[0], rel=0.02)
    assert counts.var(axis=0) == pytest.approx(mean[0] + mean[0] ** 2 / np.array([2.0, 0.5, 20.0]), rel=0.05)


def test_cells_of_one_condition_keep_the_numbers_of_all():
    obs = pd.DataFrame({"condition": pd.Categorical(["a", "b", "c"] * 4)}, index=[f"cell {i}" for i in range(12)])
    part = take_cells(anndata.AnnData(np.ones((12, 2)), obs), np.array([1, 4]))
    assert part.obs["condition"].cat.codes.tolist() == [1, 1] and part.n_obs == 2


@pytest.mark.parametrize("kind", ["linear", "boosted"])
def test_groups_of_one_distribution_cannot_be_told_apart(kind):
    generator = np.random.default_rng(0)
    points, groups = generator.normal(size=(1500, 5)), np.arange(1500) % 2 == 0
    assert area_under_curve(points, groups, kind) == pytest.approx(0.5, abs=0.05)


def test_a_shift_gives_the_area_that_normal_distributions_have():
    generator = np.random.default_rng(1)
    groups = np.arange(4000) % 2 == 0
    points = generator.normal(size=(4000, 1)) + groups[:, None]
    assert area_under_curve(points, groups, "linear") == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)


def test_trees_see_a_ring_that_no_line_divides():
    generator = np.random.default_rng(2)
    points = generator.normal(size=(1000, 2))
    groups = np.hypot(*points.T) > 1.2
    assert area_under_curve(points, groups, "boosted") > 0.95
    assert area_under_curve(points, groups, "linear") < 0.65
