"""Baselines on Gaussian blobs: what each finds, that it follows its formula, and what is refused."""

import json
import random

import anndata
import igraph
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import multivariate_normal

from gmvae.data.principal_components import principal_axes
from gmvae.metrics.evaluate import evaluate
from gmvae.pipeline.errors import Refused
from gmvae.runs.baseline import baseline
from gmvae.runs.baselines import kmeans, knn, leiden, logistic, louvain, mixture
from gmvae.runs.baselines import random as random_baseline
from gmvae.runs.baselines.neighbour_graph import neighbour_graph, shares_of_votes


def blobs(n=150, n_classes=3, n_features=6, distance=12.0):
    """A dataset of well separated Gaussian classes, every fifth row for testing."""
    generator = np.random.default_rng(0)
    truth = np.arange(n) % n_classes
    x = generator.normal(size=(n, n_features)) + distance * np.eye(n_classes, n_features)[truth]
    obs = pd.DataFrame(index=[f"r{i}" for i in range(n)])
    obs["label"] = pd.Categorical.from_codes(truth, [f"class {c}" for c in range(n_classes)])
    obs["split"] = pd.Categorical(np.where(np.arange(n) // n_classes % 5 == 0, "test", "train"))
    uns = {"likelihood": "normal", "shape": np.array([], dtype=np.int64), "name": "blobs"}
    return anndata.AnnData(X=x.astype(np.float32), obs=obs, uns=uns)


def run(
    folder, name, adata=None, space="data", latent=None, settings=None, n_components=3, seeds=(0, 1), observed=None
):
    """The latent.h5ad of a baseline on a dataset."""
    adata = blobs() if adata is None else adata
    adata.write_h5ad(folder / "data.h5ad")
    files = {"data": folder / "data.h5ad", "output": folder / "latent.h5ad", "provenance": folder / "provenance.json"}
    options = {"name": name, "space": space, "latent": latent, "settings": settings or {}, "observed": observed}
    baseline(**files, **options, n_components=n_components, seeds=list(seeds), task="t", model="m")
    return anndata.read_h5ad(files["output"])  # whole, because the next run writes the same file


def accuracies(folder):
    evaluate(folder / "latent.h5ad", folder / "metrics.csv", "t", "m")
    table = pd.read_csv(folder / "metrics.csv")
    return table.loc[table["metric"] == "accuracy", "value"].tolist()


@pytest.mark.parametrize("name", ["kmeans", "mixture", "louvain", "leiden", "truth"])
@pytest.mark.parametrize("space", ["data", "pca"])
def test_separated_classes_are_found(tmp_path, name, space):
    settings = {"n_dimensions": 3} if space == "pca" else {}
    latent = run(tmp_path, name, space=space, settings=settings)
    assert latent.uns["n_components"] == 3
    assert bool(latent.uns["labels_observed"]) == (name == "truth")
    np.testing.assert_allclose(latent.obsm["q_y_1"].sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(latent.obs["cluster_1"], latent.obsm["q_y_1"].argmax(axis=1))
    assert accuracies(tmp_path) == [1.0] * 4  # two seeds, two splits


def test_random_components_have_an_accuracy_near_one_in_k(tmp_path):
    run(tmp_path, "random", blobs(n=3000))
    assert np.mean(accuracies(tmp_path)) == pytest.approx(1 / 3, abs=0.05)
    q, _ = random_baseline.assign(np.zeros((3000, 1)), None, 3, 0, None)
    assert not np.array_equal(q, random_baseline.assign(np.zeros((3000, 1)), None, 3, 1, None)[0])


@pytest.mark.parametrize("name", ["kmeans", "mixture", "louvain", "leiden", "random"])
def test_running_twice_gives_the_same_result(tmp_path, name):
    hard = blobs(distance=1.0)
    first = run(tmp_path, name, hard)
    assert np.array_equal(first.obsm["q_y_1"], run(tmp_path, name, hard).obsm["q_y_1"])


@pytest.mark.parametrize("name", ["kmeans", "mixture", "louvain", "leiden"])
def test_test_rows_do_not_influence_the_fit(tmp_path, name):
    adata, moved = blobs(distance=2.0), blobs(distance=2.0)
    test = np.flatnonzero(adata.obs["split"] == "test")
    moved.X[test[0]] += 50
    rest = np.setdiff1d(np.arange(adata.n_obs), test[:1])
    first, second = run(tmp_path, name, adata), run(tmp_path, name, moved)
    assert np.array_equal(first.obsm["q_y_0"][rest], second.obsm["q_y_0"][rest])


def test_kmeans_objective_is_minus_the_inertia():
    z = blobs().X
    q, objective = kmeans.assign(z, np.ones(len(z), dtype=bool), 3, 0, None)
    centres = np.stack([z[q[:, k] == 1].mean(axis=0) for k in range(3)])
    inertia = sum(np.sum((row - centres[k]) ** 2) for row, k in zip(z, q.argmax(axis=1), strict=True))
    assert -objective.sum() == pytest.approx(inertia, rel=1e-5)


def test_mixture_objective_is_the_log_density():
    z = np.asarray(blobs().X, dtype=np.float64)
    q, objective = mixture.assign(z, np.ones(len(z), dtype=bool), 3, 0, None, reg_covar=1e-3)
    density = np.zeros(len(z))
    for k in range(3):
        rows = z[q[:, k] > 0.5]  # apart by 12 standard deviations: the posterior is one-hot
        covariance = np.cov(rows.T, bias=True) + 1e-3 * np.eye(z.shape[1])
        density += len(rows) / len(z) * multivariate_normal(rows.mean(axis=0), covariance).pdf(z)
    np.testing.assert_allclose(objective, np.log(density), rtol=1e-6)


def test_principal_axes_are_eigenvectors_of_the_covariance():
    x = np.random.default_rng(1).normal(size=(40, 5)) @ np.diag([5, 4, 3, 2, 1])
    mean, axes = principal_axes(x, 3)
    np.testing.assert_allclose(mean, x.mean(axis=0))
    leading = np.linalg.eigh(np.cov(x.T)).eigenvectors[:, ::-1][:, :3]  # eigenvalues ascend
    np.testing.assert_allclose(np.abs(axes.T @ leading), np.eye(3), atol=1e-10)
    assert (axes[np.abs(axes).argmax(axis=0), range(3)] > 0).all()


def test_pca_alone_has_no_components_but_reconstructs(tmp_path):
    adata = blobs()
    dense = run(tmp_path, "none", adata, space="pca", settings={"n_dimensions": 6})
    assert dense.uns["n_components"] == 0 and "cluster_0" not in dense.obs
    showcase = dense.uns["showcase"]
    assert set(adata.obs["split"].iloc[showcase["rows"]]) == {"test"}
    # With all six components nothing is lost.
    np.testing.assert_allclose(showcase["reconstruction_1"], adata.X[showcase["rows"]], atol=1e-4)
    np.testing.assert_allclose(dense.obsm["terms_1"]["objective"], 0, atol=1e-6)
    adata.X = sparse.csr_matrix(adata.X)
    from_csr = run(tmp_path, "none", adata, space="pca", settings={"n_dimensions": 6})
    np.testing.assert_allclose(from_csr.obsm["z_0"], dense.obsm["z_0"], atol=1e-5)


def test_another_runs_latent_is_a_space(tmp_path):
    first = run(tmp_path, "none", space="pca", settings={"n_dimensions": 2})
    for seed in (0, 1):
        first.obsm[f"z_{seed}"] = first.obsm[f"z_{seed}"] * (1 + seed)
    first.write_h5ad(tmp_path / "other.h5ad")
    clustered = run(tmp_path, "kmeans", space="m", latent=tmp_path / "other.h5ad")
    assert np.array_equal(clustered.obsm["z_1"], first.obsm["z_1"])
    assert not np.array_equal(clustered.obsm["z_0"], clustered.obsm["z_1"])
    assert "showcase" not in clustered.uns
    with pytest.raises(Refused, match=r"other\.h5ad .*\[5\]"):
        run(tmp_path, "kmeans", space="m", latent=tmp_path / "other.h5ad", seeds=(0, 5))
    with pytest.raises(Refused, match=r"other\.h5ad .*rows"):
        run(tmp_path, "kmeans", blobs(n=90), space="m", latent=tmp_path / "other.h5ad")
    with pytest.raises(Refused, match="--latent "):
        run(tmp_path, "kmeans", space="m")


def test_edges_of_the_graph_are_jaccard_indices():
    z = np.random.default_rng(3).normal(size=(30, 2))
    graph = neighbour_graph(z, 5)
    distance = np.linalg.norm(z[:, None] - z[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    near = [set(np.argsort(row)[:5].tolist()) for row in distance]
    expected = {}
    for i in range(30):
        for j in range(i + 1, 30):
            weight = len(near[i] & near[j]) / len(near[i] | near[j])
            if weight > 0 and (i in near[j] or j in near[i]):
                expected[i, j] = weight
    assert {edge.tuple: edge["weight"] for edge in graph.es} == pytest.approx(expected)


def test_votes_are_shares_of_the_nearest_training_rows():
    z = np.array([[0.0], [1.0], [2.0], [10.0], [1.2]])
    train = np.array([True, True, True, True, False])
    q = shares_of_votes(z, train, np.array([0, 1, 1, 2]), n_components=4, k=3)
    np.testing.assert_allclose(q[:4], np.eye(4)[[0, 1, 1, 2]])
    np.testing.assert_allclose(q[4], [1 / 3, 2 / 3, 0, 0])


@pytest.mark.parametrize("method", [louvain, leiden])
def test_communities_at_a_given_resolution_and_their_modularity(method):
    z = blobs(n_classes=4, n_features=4, distance=12.0).X
    train = np.arange(len(z)) % 3 > 0
    q, objective = method.assign(z, train, 2, 0, None, resolution=1.0)
    assert q.shape[1] >= 4  # four islands cannot be fewer communities
    graph = neighbour_graph(z[train], 15)
    adjacency = np.array(graph.get_adjacency(attribute="weight").data)
    degree, total = adjacency.sum(axis=0), adjacency.sum()
    same = np.equal.outer(q[train].argmax(axis=1), q[train].argmax(axis=1))
    by_hand = np.sum((adjacency - np.outer(degree, degree) / total) * same) / total
    np.testing.assert_allclose(objective[train], by_hand)
    assert np.isnan(objective[~train]).all()


@pytest.mark.parametrize("method", [louvain, leiden])
def test_communities_depend_on_the_seed_and_on_nothing_else(method):
    z = np.random.default_rng(0).normal(size=(300, 2))
    train = np.ones(300, dtype=bool)
    igraph.set_random_number_generator(random.Random(5))
    first = method.assign(z, train, 8, 1, None)[0]
    assert np.array_equal(first, method.assign(z, train, 8, 1, None)[0])
    others = [method.assign(z, train, 8, seed, None)[0] for seed in (2, 3, 4)]
    assert any(not np.array_equal(first, other) for other in others)


def test_provenance_names_settings_and_versions(tmp_path):
    run(tmp_path, "kmeans", space="pca", settings={"n_dimensions": 2, "n_init": 3})
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert record["settings"] == {"n_init": 3, "n_dimensions": 2}
    assert record["seeds"] == [0, 1]
    assert record["versions"]["scikit-learn"]
    assert record["seconds"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "kmeans", "n_components": 121}, "n_components: found 121.* 120,"),
        ({"name": "kmeans", "n_components": 0}, "n_components: found 0"),
        ({"name": "none", "space": "pca", "settings": {"n_dimensions": 7}}, "n_dimensions is 7.* 1 to 6"),
        ({"name": "kmeans", "seeds": ()}, "seeds"),
    ],
)
def test_impossible_clusterings_are_refused(tmp_path, options, message):
    with pytest.raises(Refused, match=message) as refusal:
        run(tmp_path, **options)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "latent.h5ad").exists()


def test_truth_without_labels_is_refused(tmp_path):
    adata = blobs()
    del adata.obs["label"]
    with pytest.raises(Refused, match=r"obs\['label'\]"):
        run(tmp_path, "truth", adata)
    assert run(tmp_path, "kmeans", adata).uns["n_components"] == 3


def test_one_component_takes_every_row(tmp_path):
    for name in ("kmeans", "mixture", "random"):
        assert set(run(tmp_path, name, n_components=1).obs["cluster_0"]) == {0}


def write_observed(folder, adata, visible):
    """observed.csv with the labels of the training rows where `visible` [N] is true."""
    train = (adata.obs["split"] == "train").to_numpy()
    label = np.where(visible, adata.obs["label"].astype(str), "")
    path = folder / "observed.csv"
    pd.DataFrame({"row": adata.obs_names[train], "label": label[train]}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["svm", "mlp", "logistic", "knn"])
def test_a_classifier_learns_from_the_visible_labels_only(tmp_path, name):
    adata = blobs()
    visible = np.arange(adata.n_obs) < 60
    latent = run(tmp_path, name, adata, n_components=7, observed=write_observed(tmp_path, adata, visible))
    assert latent.uns["n_components"] == 3 and latent.uns["labels_observed"]
    assert accuracies(tmp_path) == [1.0] * 4
    # Rows without a visible label may be anywhere, and of any class.
    moved = adata.copy()
    hidden = np.flatnonzero(~visible & (adata.obs["split"] == "train").to_numpy())
    moved.X[hidden[0]] += 50
    codes = moved.obs["label"].cat.codes.to_numpy().copy()
    codes[hidden] = (codes[hidden] + 1) % 3
    moved.obs["label"] = pd.Categorical.from_codes(codes, moved.obs["label"].cat.categories)
    again = run(tmp_path, name, moved, n_components=7, observed=tmp_path / "observed.csv")
    rest = np.setdiff1d(np.arange(adata.n_obs), hidden)
    assert np.array_equal(latent.obsm["q_y_1"][rest], again.obsm["q_y_1"][rest])


def test_a_class_without_a_visible_label_is_never_predicted(tmp_path):
    adata = blobs()
    observed = write_observed(tmp_path, adata, (adata.obs["label"] != "class 1").to_numpy())
    for name in ("svm", "mlp", "logistic", "knn"):
        latent = run(tmp_path, name, adata, observed=observed)
        assert latent.obsm["q_y_0"].shape[1] == 3
        assert (latent.obsm["q_y_0"][:, 1] == 0).all()
        assert np.mean(accuracies(tmp_path)) == pytest.approx(2 / 3, abs=0.02)


def test_logistic_regression_is_at_the_optimum_of_its_loss():
    """Against a general minimiser of cost times the summed log-loss, plus half the squared norm of the weights."""
    z = np.asarray(blobs(n=90, distance=1.5).X, dtype=np.float64)
    observed = np.where(np.arange(90) < 60, np.arange(90) % 3, -1)
    q, objective = logistic.assign(z, None, 3, 0, observed, cost=0.3)
    x, y = z[:60], observed[:60]

    def loss(weights):
        w, b = weights[:18].reshape(6, 3), weights[18:]
        log_p = log_softmax(x @ w + b, axis=1)
        return -0.3 * log_p[np.arange(60), y].sum() + np.square(w).sum() / 2

    best = minimize(loss, np.zeros(21)).x
    np.testing.assert_allclose(q, softmax(z @ best[:18].reshape(6, 3) + best[18:], axis=1), atol=2e-3)
    assert objective is None


def test_the_nearest_labelled_rows_vote():
    z = np.random.default_rng(2).normal(size=(40, 3))
    observed = np.where(np.arange(40) < 25, np.arange(40) % 4, -1)
    q, _ = knn.assign(z, None, 5, 0, observed, n_neighbours=7)
    for row, shares in zip(z, q, strict=True):
        nearest = np.argsort(np.linalg.norm(z[:25] - row, axis=1))[:7]
        np.testing.assert_allclose(shares, [np.mean(observed[nearest] == k) for k in range(5)])


def test_a_classifier_without_labels_is_refused(tmp_path):
    adata = blobs()
    nothing = np.zeros(adata.n_obs, dtype=bool)
    one = (adata.obs["label"] == "class 0").to_numpy()
    with pytest.raises(Refused, match="--observed "):
        run(tmp_path, "svm", adata)
    with pytest.raises(Refused, match=r"observed\.csv .* 0 classes"):
        run(tmp_path, "svm", adata, observed=write_observed(tmp_path, adata, nothing))
    with pytest.raises(Refused, match=r"observed\.csv .* 1 classes"):
        run(tmp_path, "mlp", adata, observed=write_observed(tmp_path, adata, one))
    with pytest.raises(Refused, match=r"none\.csv "):
        run(tmp_path, "mlp", adata, observed=tmp_path / "none.csv")
    (tmp_path / "observed.csv").write_text("row,label\nr9,class 9\n")
    with pytest.raises(Refused, match=r"observed\.csv .*'class 9'"):
        run(tmp_path, "mlp", adata, observed=tmp_path / "observed.csv")
    assert not (tmp_path / "latent.h5ad").exists()


def test_test_rows_do_not_influence_the_umap_of_others(tmp_path):
    adata, moved = blobs(), blobs()
    test = np.flatnonzero(adata.obs["split"] == "test")
    moved.X[test[0]] += 50
    train = (adata.obs["split"] == "train").to_numpy()
    settings = {"n_dimensions": 2}
    first = run(tmp_path, "mixture", adata, space="umap", settings=settings, seeds=(0,))
    assert first.obsm["z_0"].shape == (150, 2)
    assert accuracies(tmp_path) == [1.0] * 2
    second = run(tmp_path, "mixture", moved, space="umap", settings=settings, seeds=(0,))
    assert np.array_equal(first.obsm["z_0"][train], second.obsm["z_0"][train])
    again = run(tmp_path, "mixture", adata, space="umap", settings=settings, seeds=(0,))
    assert np.array_equal(first.obsm["z_0"], again.obsm["z_0"])
    with pytest.raises(Refused, match=r"n_dimensions is 119.* 1 to 118 "):
        run(tmp_path, "mixture", adata, space="umap", settings={"n_dimensions": 119})
