"""Thinned data sets and latents: what readers ask for is the same, and what is left out is not there."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import mean_objective, pick_seed, read_latent, run_clusters, showcase_rows
from gmvae.formats.writing import write_h5ad
from gmvae.reference.archives.thinning import LEVELS, thin_file

N, D, SEEDS = 400, 30, [4, 5, 6]


def annotations():
    draws = np.random.default_rng(0)
    names = pd.Index([f"row {i}" for i in range(N)])
    label = pd.Categorical(draws.choice(["a", "b", "c"], N))
    return pd.DataFrame({"label": label, "split": pd.Categorical(draws.choice(["train", "test"], N))}, index=names)


@pytest.fixture(params=["dense", "sparse"])
def data(tmp_path, request):
    """A data set of images, or of cells."""
    values = np.random.default_rng(1).poisson(0.7, (N, D)).astype(np.float32)
    is_sparse = request.param == "sparse"
    adata = anndata.AnnData(X=sparse.csr_matrix(values) if is_sparse else values, obs=annotations())
    adata.obsm["X_pca"] = values[:, :5]
    adata.uns = {"name": "Drawn", "likelihood": "normal", "shape": np.array([D])}
    if is_sparse:
        adata.uns["likelihood"] = "negative_binomial"
        adata.layers["counts"], adata.obs["total"] = sparse.csr_matrix(values), values.sum(axis=1).astype(float)
    write_h5ad(adata, tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


@pytest.fixture
def latent(tmp_path):
    """The latent of a run whose second seed is the best."""
    draws = np.random.default_rng(2)
    run = anndata.AnnData(obs=annotations())
    run.uns = {"task": "t", "model": "m", "seeds": np.array(SEEDS), "n_components": 3, "labels_observed": False}
    run.uns["showcase"] = {f"samples_{seed}": draws.normal(size=(3, 8, D)) for seed in SEEDS}
    for seed in SEEDS:
        objective = draws.normal(size=N).astype(np.float32) + (seed == 5)
        run.obs[f"cluster_{seed}"] = draws.integers(3, size=N)
        run.obsm[f"z_{seed}"] = draws.normal(size=(N, 10)).astype(np.float32)
        run.obsm[f"q_y_{seed}"] = draws.normal(size=(N, 3)).astype(np.float32)
        terms = {"elbo": draws.normal(size=N), "objective": objective}
        run.obsm[f"terms_{seed}"] = pd.DataFrame(terms, index=run.obs_names)
    (tmp_path / "run").mkdir()
    write_h5ad(run, tmp_path / "run/latent.h5ad")
    return tmp_path / "run/latent.h5ad"


def test_a_thinned_data_set_keeps_the_contract_and_the_rows_that_are_shown(data, tmp_path):
    assert thin_file(data, LEVELS[0], tmp_path / "thin/data.h5ad")
    whole, thinned = load_dataset(data), load_dataset(tmp_path / "thin/data.h5ad")
    pd.testing.assert_frame_equal(whole.obs, thinned.obs)
    assert whole.uns["shape"] == thinned.uns["shape"] and thinned.shape == (N, D)
    assert "X_pca" not in thinned.obsm
    rows = showcase_rows(whole)
    assert len(rows) == 10
    for matrix in ("X", "counts"):
        if matrix == "X" or matrix in whole.layers:
            before, after = ((file.X if matrix == "X" else file.layers[matrix])[rows] for file in (whole, thinned))
            assert abs(before - after).sum() == 0 and abs(before).sum() > 0
    others = np.setdiff1d(np.arange(N), rows)
    assert abs(thinned.X[others]).sum() == 0


@pytest.mark.parametrize(("level", "shows"), [(LEVELS[0], False), (LEVELS[1], True)])
def test_a_thinned_latent_has_seeds_clusters_and_no_coordinates(latent, tmp_path, level, shows):
    assert thin_file(latent, level, tmp_path / "thin/latent.h5ad")
    whole, thinned = read_latent(latent), read_latent(tmp_path / "thin/latent.h5ad")
    assert pick_seed(thinned) == pick_seed(whole) == 5
    pd.testing.assert_frame_equal(whole.obs, thinned.obs)
    for seed in SEEDS:
        assert (run_clusters(thinned, seed) == run_clusters(whole, seed)).all()
        assert thinned.obsm[f"z_{seed}"].shape == (N, 0) and f"q_y_{seed}" not in thinned.obsm
        for split in ("train", "test"):
            rows = (whole.obs["split"] == split).to_numpy()
            before, after = mean_objective(whole, seed, rows), mean_objective(thinned, seed, rows)
            assert after == pytest.approx(before, rel=1e-12)
    assert ("showcase" in thinned.uns) == shows
    assert (tmp_path / "thin/latent.h5ad").stat().st_size < latent.stat().st_size / 2
    anndata.read_h5ad(tmp_path / "thin/latent.h5ad")  # other tools read it


def test_a_thinned_file_has_the_same_bytes_each_time(latent, tmp_path):
    for copy in ("one", "two"):
        thin_file(latent, LEVELS[0], tmp_path / copy / "latent.h5ad")
    assert (tmp_path / "one/latent.h5ad").read_bytes() == (tmp_path / "two/latent.h5ad").read_bytes()


def test_the_last_levels_leave_files_whole(data, latent, tmp_path):
    assert not thin_file(data, LEVELS[2], tmp_path / "thin.h5ad")
    assert not thin_file(data, LEVELS[3], tmp_path / "thin.h5ad")
    assert not thin_file(latent, LEVELS[3], tmp_path / "thin.h5ad")
    assert not (tmp_path / "thin.h5ad").exists()
