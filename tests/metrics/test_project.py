"""Coordinates for figures: the picked seed, fixed rows, one projection per latent, reproducible."""

import anndata
import numpy as np
import pandas as pd
import pytest

from gmvae.metrics.project import fixed_rows, project, umap_plane
from gmvae.pipeline.errors import Refused


def write_files(folder, models, n=60, seeds=(0, 4)):
    """Write a dataset and a random latent per model, equal for models named `twin`; return the latents' paths."""
    obs = pd.DataFrame(index=[f"r{i}" for i in range(n)])
    obs["split"] = pd.Categorical(np.where(np.arange(n) % 4 == 0, "test", "train"))
    uns = {"likelihood": "normal", "shape": np.array([], dtype=np.int64), "name": "blobs"}
    anndata.AnnData(X=np.ones((n, 2), np.float32), obs=obs, uns=uns).write_h5ad(folder / "data.h5ad")
    paths = []
    for model in models:
        generator = np.random.default_rng(7 if "twin" in model else len(model))
        run = anndata.AnnData(obs=obs.copy())
        run.uns |= {"task": "t", "model": model, "seeds": np.array(seeds), "n_components": 0, "labels_observed": False}
        for seed in seeds:
            z = generator.normal(size=(n, 3)) + 9 * (np.arange(n) % 2)[:, None]
            run.obsm[f"z_{seed}"] = z.astype(np.float32)
            run.obsm[f"terms_{seed}"] = pd.DataFrame({"objective": np.full(n, float(seed))}, index=obs.index)
        paths.append(folder / f"{model}.h5ad")
        run.write_h5ad(paths[-1])
    return paths


def test_the_projection_separates_groups_and_is_reproducible(tmp_path):
    models = ["twin", "ae", "twin_kmeans"]
    latents = write_files(tmp_path, models)
    for name in ("one.csv", "two.csv"):
        project(tmp_path / "data.h5ad", latents, models, tmp_path / name)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    table = pd.read_csv(tmp_path / "one.csv")
    assert list(table.columns) == ["row", "model", "seed", "u", "v"]
    assert table["model"].unique().tolist() == models
    assert set(table["seed"]) == {4}  # the larger objective
    twin, ae, kmeans = (table[table["model"] == model] for model in models)
    assert twin["row"].tolist() == [f"r{i}" for i in range(60)]
    assert np.array_equal(twin[["u", "v"]], kmeans[["u", "v"]])
    assert not np.array_equal(twin[["u", "v"]], ae[["u", "v"]])
    points, group = twin[["u", "v"]].to_numpy(), np.arange(60) % 2
    centres = np.stack([points[group == g].mean(axis=0) for g in (0, 1)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, group)


def test_at_most_two_thousand_fixed_rows_are_projected():
    assert fixed_rows(50).tolist() == list(range(50))
    rows = fixed_rows(5000)
    assert len(np.unique(rows)) == 2000 and rows.max() < 5000
    assert np.array_equal(rows, fixed_rows(5000))


@pytest.mark.parametrize("shape", [(2, 3), (4, 1), (50, 1)])
def test_few_points_and_single_dimensions_are_not_projected(shape):
    z = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert np.array_equal(umap_plane(z, 0)[:, 0], z[:, 0])
    assert umap_plane(z, 0).shape == (shape[0], 2)


def test_a_collapsed_latent_can_be_projected():
    assert np.isfinite(umap_plane(np.zeros((30, 2), dtype=np.float32), 0)).all()


def test_latents_that_do_not_fit_the_models_or_the_dataset_are_refused(tmp_path):
    latents = write_files(tmp_path, ["ae"])
    with pytest.raises(Refused, match=r"--latents.*1 .*--models.*2 "):
        project(tmp_path / "data.h5ad", latents, ["ae", "vae"], tmp_path / "out.csv")
    (tmp_path / "other").mkdir()
    others = write_files(tmp_path / "other", ["ae"], n=40)
    with pytest.raises(Refused, match=r"ae\.h5ad.*rows.*data\.h5ad"):
        project(tmp_path / "data.h5ad", others, ["ae"], tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
