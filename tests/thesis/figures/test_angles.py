"""Angles between planes: by how much a plane is turned, and where the dots are."""

import anndata
import numpy as np
import pandas as pd
import pytest
from support.drawing import overlapping_texts

from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import angles


def turned(degrees, n=200):
    """Rows with three directions of falling variance, and a run whose plane of two is turned by this angle."""
    rows = np.random.default_rng(0).normal(size=(n, 6)) * np.array([9, 5, 1, 0, 0, 0])
    rows -= rows.mean(0)
    axes = np.linalg.svd(rows, full_matrices=False)[2]
    angle = np.deg2rad(degrees)
    plane = np.column_stack([axes[0], np.cos(angle) * axes[1] + np.sin(angle) * axes[2]]) @ [[2.0, 1.0], [0.5, 3.0]]
    run = anndata.AnnData(obs=pd.DataFrame({"split": "train"}, index=[f"r{i}" for i in range(n)]))
    run.uns |= {"seeds": np.array([4]), "plane_4": plane}
    return rows, run


@pytest.mark.parametrize("degrees", [0, 1e-3, 20, 90])
def test_angle_is_that_by_which_a_plane_is_turned(degrees):
    rows, run = turned(degrees)
    assert angles.plane_angles(run, rows)["value"].tolist() == pytest.approx([degrees], abs=1e-6)


@pytest.mark.parametrize("n_models", [1, 4])
def test_angles_fit_the_page_and_stand_where_they_are(n_models):
    models = np.repeat([f"model {i}" for i in range(n_models)], 3)
    values = np.tile([1e-9, 0.03, 2.0], n_models)
    degrees = pd.DataFrame({"model": models, "seed": np.tile([0, 1, 2], n_models), "value": values})
    figure = angles.angle_figure(degrees, {"model 0": "Linear AE"})
    assert overlapping_texts(figure) == []
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [dot.get_xdata().tolist() for dot in dots] == [[value] * n_models for value in (angles.SMALLEST, 0.03, 2.0)]


def test_a_task_without_a_linear_autoencoder_has_no_figure_of_angles(tmp_path):
    rows, run = turned(0)
    del run.uns["plane_4"]
    adata = anndata.AnnData(X=rows.astype(np.float32), obs=run.obs.copy())
    adata.obs["split"] = pd.Categorical(["train", "test"] * 100)
    adata.uns |= {"likelihood": "normal", "shape": np.array([], dtype=np.int64), "name": "turned"}
    run.obs, run.obsm["z_4"] = adata.obs, rows[:, :2]
    run.uns |= {"task": "t", "model": "ae", "n_components": 0, "labels_observed": False}
    adata.write_h5ad(tmp_path / "data.h5ad")
    run.write_h5ad(tmp_path / "ae.h5ad")
    with pytest.raises(Refused, match=r"task t .*linear.*angles"):
        angles.draw(tmp_path / "a.pdf", "t", {}, tmp_path / "data.h5ad", [tmp_path / "ae.h5ad"], ["ae"])
