"""The step `neighbours` and who reads its file: training and the baseline `leiden_start`."""

import anndata
import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from sklearn.neighbors import NearestNeighbors

from gmvae.data.principal_components import principal_axes
from gmvae.formats.latent import read_latent
from gmvae.pipeline.errors import Refused
from gmvae.runs.baseline import baseline
from gmvae.runs.neighbours import neighbours
from gmvae.runs.observe import observe
from gmvae.runs.train import train, training_rows
from gmvae.training.communities import leiden_communities
from gmvae.training.neighbour_file import load_neighbours, save_neighbours

TRAINING = {
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "autoencode_epochs": 1,
    "guide_epochs": 1,
    "guide": "leiden",
}


@pytest.fixture(scope="module")
def graphs(toy, tmp_path_factory):
    """A folder with both graphs of the toy set, whose two conditions lie apart."""
    folder = tmp_path_factory.mktemp("graphs")
    for kind in ("plain", "balanced"):
        neighbours(toy / "toy.h5ad", folder / f"{kind}.safetensors", kind)
    return folder


def components(adata, n):
    """The training mask, and all rows on n principal axes of the training rows."""
    is_train = (adata.obs["split"] == "train").to_numpy()
    mean, axes = principal_axes(adata.X[is_train], n)
    return is_train, ((adata.X - mean) @ axes).astype(np.float32).astype(np.float64)


def without_itself(z, candidates, rows, k):
    """The k nearest candidates [m] (positions in z) of each of some rows by scikit-learn; no row is its own."""
    model = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(z[candidates])
    near = candidates[model.kneighbors(z[rows], return_distance=False)]
    return np.array([[j for j in found if j != i][:k] for i, found in zip(rows, near, strict=True)])


def test_plain_neighbours_are_the_nearest_training_rows(toy, graphs):
    adata = anndata.read_h5ad(toy / "toy.h5ad")
    is_train, z = components(adata, min(50, adata.n_vars))
    expected = without_itself(z, np.flatnonzero(is_train), np.arange(len(z)), 15)
    positions = load_neighbours(graphs / "plain.safetensors", is_train)
    assert positions.shape == (adata.n_obs, 15)
    assert np.array_equal(np.flatnonzero(is_train)[positions], expected)


def test_balanced_neighbours_are_the_seven_nearest_of_each_condition(toy, graphs):
    adata = anndata.read_h5ad(toy / "toy.h5ad")
    is_train, z = components(adata, min(50, adata.n_vars))
    condition = adata.obs["condition"].cat.codes.to_numpy()
    of_each = [without_itself(z, np.flatnonzero(is_train & (condition == c)), np.arange(len(z)), 7) for c in (0, 1)]
    positions = load_neighbours(graphs / "balanced.safetensors", is_train)
    assert positions.shape == (adata.n_obs, 14)
    together = np.flatnonzero(is_train)[positions]
    assert np.array_equal(np.sort(together), np.sort(np.concatenate(of_each, 1)))
    distances = np.linalg.norm(z[:, None] - z[together], axis=2)
    assert (np.diff(distances, axis=1) >= -1e-9).all()


def test_components_of_the_dataset_are_used_where_it_has_them(toy, graphs, tmp_path):
    adata = anndata.read_h5ad(toy / "toy.h5ad")
    adata.obsm["X_pca"] = components(adata, min(50, adata.n_vars))[1].astype(np.float32)
    adata.write_h5ad(tmp_path / "same.h5ad")
    neighbours(tmp_path / "same.h5ad", tmp_path / "same.safetensors")
    assert (tmp_path / "same.safetensors").read_bytes() == (graphs / "plain.safetensors").read_bytes()
    adata.obsm["X_pca"][:, 1:] = 0
    adata.write_h5ad(tmp_path / "other.h5ad")
    neighbours(tmp_path / "other.h5ad", tmp_path / "other.safetensors")
    assert (tmp_path / "other.safetensors").read_bytes() != (graphs / "plain.safetensors").read_bytes()


def test_permuted_labels_change_no_byte_of_graph_and_training(toy, graphs, tmp_path, capsys):
    adata = anndata.read_h5ad(toy / "toy.h5ad")
    order = np.random.default_rng(0).permutation(adata.n_obs)
    adata.obs["label"] = pd.Categorical(adata.obs["label"].to_numpy()[order])
    adata.write_h5ad(tmp_path / "toy.h5ad")
    shares, weights = [], []
    for number, data in enumerate((toy / "toy.h5ad", tmp_path / "toy.h5ad")):
        folder = tmp_path / str(number)
        folder.mkdir()
        for kind in ("plain", "balanced"):
            neighbours(data, folder / f"{kind}.safetensors", kind)
            assert (folder / f"{kind}.safetensors").read_bytes() == (graphs / f"{kind}.safetensors").read_bytes()
        shares.append(float(capsys.readouterr().out.rpartition(": ")[2]))
        observe(data, folder / "observed.csv", "none")
        outputs = folder / "weights.safetensors", folder / "history.csv", folder / "provenance.json"
        options = "gmdvae", {"n_latent": 2, "n_hidden": 8}, TRAINING | {"graph": "balanced"}, 5, [0, 1]
        train(data, folder / "observed.csv", *outputs, *options, graph=folder / "balanced.safetensors", progress=False)
        weights.append(outputs[0].read_bytes())
    assert shares[0] > 0.95 and shares[1] < 0.4
    assert weights[0] == weights[1]


def leiden_start(toy, folder, graph, seeds):
    """The latent.h5ad of the baseline `leiden_start` on the toy set."""
    files = toy / "toy.h5ad", folder / "latent.h5ad", folder / "provenance.json"
    baseline(*files, "leiden_start", "pca", None, {"n_dimensions": 2}, 5, seeds, "t", "leiden_start", graph=graph)
    return read_latent(files[1])


def test_the_start_of_the_tables_is_the_guide_and_its_vote(toy, graphs, tmp_path):
    graph = graphs / "balanced.safetensors"
    latent = leiden_start(toy, tmp_path, graph, [4, 7])
    assert not latent.uns["labels_observed"]
    is_train = (latent.obs["split"] == "train").to_numpy()
    near = load_neighbours(graph, is_train)
    for seed in (4, 7):
        guide = leiden_communities(near[is_train], 5, seed)
        assert np.array_equal(latent.obs[f"cluster_{seed}"][is_train], guide)
        votes = np.array([np.bincount(guide[row], minlength=5) / near.shape[1] for row in near[~is_train]])
        np.testing.assert_allclose(latent.obsm[f"q_y_{seed}"][~is_train], votes, atol=1e-6)
    rows, _ = training_rows(toy / "toy.h5ad", toy / "observed.csv", 1, 5, "cpu", graph=graph)
    assert np.array_equal(rows.neighbours.numpy(), near[is_train])
    alone = leiden_start(toy, tmp_path, graph, [7])
    assert np.array_equal(alone.obs["cluster_7"], latent.obs["cluster_7"])


def test_impossible_graphs_are_refused(toy, tmp_path):
    adata = anndata.read_h5ad(toy / "toy.h5ad")
    is_train = (adata.obs["split"] == "train").to_numpy()
    few = adata[np.r_[np.flatnonzero(is_train)[:15], np.flatnonzero(~is_train)]].copy()
    few.write_h5ad(tmp_path / "few.h5ad")
    del adata.obs["condition"]
    adata.write_h5ad(tmp_path / "one.h5ad")
    for data, kind, message in (
        ("few.h5ad", "plain", "few.h5ad has 15 training rows; allowed for a graph of 15 neighbours: at least 16"),
        ("one.h5ad", "balanced", "graph: found balanced, but .*one.h5ad has no conditions; allowed: plain"),
        ("one.h5ad", "round", "--kind: found round; allowed: plain, balanced"),
    ):
        with pytest.raises(Refused, match=message) as refusal:
            neighbours(tmp_path / data, tmp_path / "graph.safetensors", kind)
        assert "\n" not in str(refusal.value)
    assert not (tmp_path / "graph.safetensors").exists()


def test_training_without_its_graph_or_with_that_of_other_rows_is_refused(toy, graphs, tmp_path):
    files = toy / "toy.h5ad", toy / "observed.csv", tmp_path / "w.safetensors", tmp_path / "h.csv", tmp_path / "p.json"
    options = "gmdvae", {"n_latent": 2, "n_hidden": 8}, TRAINING, 5, [0]
    with pytest.raises(Refused, match="--graph"):
        train(*files, *options, progress=False)
    save_neighbours(np.zeros((3, 15)), {}, tmp_path / "other.safetensors")
    with pytest.raises(Refused, match=r"other\.safetensors has other rows"):
        train(*files, *options, graph=tmp_path / "other.safetensors", progress=False)
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(Refused, match=r"torn\.safetensors: not a readable"):
        train(*files, *options, graph=tmp_path / "torn.safetensors", progress=False)
    with pytest.raises(Refused, match="at least 5, the unconnected parts"):
        train(*files, *options[:3], 3, [0], graph=graphs / "plain.safetensors", progress=False)
    with pytest.raises(Refused, match="--graph is missing"):
        leiden_start(toy, tmp_path, None, [0])


def test_the_file_says_how_it_was_made(graphs):
    with safe_open(graphs / "balanced.safetensors", "numpy") as file:
        assert file.metadata() == {"graph": '{"kind": "balanced", "n_components": 16, "n_neighbours": 14}'}
