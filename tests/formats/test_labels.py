"""Observed labels: true labels or clusters, how their runs are evaluated, and that hidden labels stay hidden."""

import numpy as np
import pandas as pd
import pytest

from gmvae.data.prepare import prepare
from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import read_observed_labels
from gmvae.formats.latent import read_latent
from gmvae.metrics.evaluate import evaluate
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.plan import accepted_settings
from gmvae.pipeline.sources import plugin_names
from gmvae.runs.baseline import baseline
from gmvae.runs.embed import embed
from gmvae.runs.observe import observe
from gmvae.runs.train import train

OBS = pd.DataFrame({"label": pd.Categorical(["b", "a", "b", "c"])}, index=["r0", "r1", "r2", "r3"])
FEW = {"epochs": 3, "batch_size": 64, "learning_rate": 1e-3, "autoencode_epochs": 1, "guide_epochs": 1}
SMALL = {"n_latent": 4, "n_hidden": 16}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "toy.h5ad"
    prepare("toy", path, "Toy", test_share=0.2)
    return path


def write_observed(folder, lines):
    path = folder / "observed.csv"
    path.write_text("row,label\n" + "".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("lines", "codes", "n", "true"),
    [
        (["r0,b", "r3,", "r1,a"], [1, 0, -1, -1], 3, True),
        (["r3,louvain 10", "r0,louvain 2", "r1,louvain 0"], [2, 0, -1, 10], 11, False),
        (["r0,", "r1,"], [-1, -1, -1, -1], 3, False),
    ],
)
def test_labels_are_numbered_by_class_and_clusters_by_their_own_numbers(tmp_path, lines, codes, n, true):
    labels = read_observed_labels(OBS, write_observed(tmp_path, lines))
    assert labels.codes.tolist() == codes and (labels.n_categories, labels.true) == (n, true)


def test_clusters_need_no_classes(tmp_path):
    labels = read_observed_labels(OBS[[]], write_observed(tmp_path, ["r0,louvain 1", "r1,louvain 0"]))
    assert labels.codes.tolist() == [1, 0, -1, -1] and not labels.true


@pytest.mark.parametrize("lines", [["r0,louvain 1", "r1,a"], ["r0,louvain x"], ["r9,a"], ["r0,d"]])
def test_unknown_rows_and_labels_are_refused(tmp_path, lines):
    with pytest.raises(Refused, match=r"observed\.csv names '(louvain 1|louvain x|r9|d)'.*`observe`"):
        read_observed_labels(OBS, write_observed(tmp_path, lines))


def train_and_embed(data, observed, folder, module="gmdvae", n_components=5, training=FEW):
    """The latent of a run through the steps train and embed."""
    folder.mkdir()
    weights = folder / "weights.safetensors"
    outputs = weights, folder / "history.csv", folder / "provenance.json"
    settings = {name: value for name, value in SMALL.items() if name in accepted_settings({"module": module})}
    train(data, observed, *outputs, module, settings, training, n_components, [0, 1], progress=False)
    embed(data, observed, weights, folder / "latent.h5ad", "toy", module, n_importance=2)
    return read_latent(folder / "latent.h5ad")


def test_a_guided_run_learns_the_clusters_and_is_evaluated_as_an_unsupervised_one(toy, tmp_path):
    observed = tmp_path / "observed.csv"
    observe(toy, observed, "louvain", n_components=6, n_dimensions=4)
    label = pd.read_csv(observed, dtype=str).set_index("row")["label"]
    run = train_and_embed(
        toy, observed, tmp_path / "run", n_components=6, training=FEW | {"epochs": 30, "guide_epochs": 20}
    )
    assert not run.uns["labels_observed"]
    cluster = "louvain " + run.obs["cluster_0"].astype(str)
    assert (cluster[label.index] == label).mean() > 0.9  # component k is cluster k
    evaluate(tmp_path / "run/latent.h5ad", tmp_path / "metrics.csv", "toy", "gmdvae")
    metrics = set(pd.read_csv(tmp_path / "metrics.csv")["metric"])
    assert "purity" in metrics and "accuracy" not in metrics  # six components, five classes
    with pytest.raises(Refused, match=r"n_components\b.*\b5\b.*\b6\b"):
        train_and_embed(toy, observed, tmp_path / "other", n_components=5)
    # A classifier may learn the same clusters.
    arguments = "svm", "data", None, {}, 5, [0], "toy", "svm"
    baseline(toy, tmp_path / "svm.h5ad", tmp_path / "made.json", *arguments, observed)
    classified = read_latent(tmp_path / "svm.h5ad")
    assert not classified.uns["labels_observed"] and int(classified.uns["n_components"]) == 6


def test_components_of_a_guided_run_are_matched_with_as_many_classes(toy, tmp_path):
    observed = tmp_path / "observed.csv"
    observe(toy, observed, "louvain", n_components=5, n_dimensions=4)
    table = pd.read_csv(observed, dtype=str)
    # The clusters happen to have the numbers of the classes: change them.
    table["label"] = [f"louvain {(int(name[-1]) + 1) % 5}" for name in table["label"]]
    table.to_csv(observed, index=False)
    run = train_and_embed(toy, observed, tmp_path / "run", training=FEW | {"epochs": 30, "guide_epochs": 20})
    assert (run.obs["cluster_0"] == run.obs["label"].cat.codes).mean() < 0.1
    evaluate(tmp_path / "run/latent.h5ad", tmp_path / "metrics.csv", "toy", "gmdvae")
    metrics = pd.read_csv(tmp_path / "metrics.csv").set_index(["metric", "split", "seed"])["value"]
    assert metrics["accuracy", "test", 0] > 0.9


@pytest.fixture(scope="module")
def permuted(toy, tmp_path_factory):
    """The toy dataset with permuted labels, all of them hidden."""
    adata = load_dataset(toy)
    order = np.random.default_rng(0).permutation(adata.n_obs)
    adata.obs["label"] = pd.Categorical(adata.obs["label"].astype(str).to_numpy()[order])
    folder = tmp_path_factory.mktemp("permuted")
    adata.write_h5ad(folder / "toy.h5ad")
    observe(folder / "toy.h5ad", folder / "observed.csv", "none")
    assert (adata.obs["label"].astype(str) != load_dataset(toy).obs["label"].astype(str)).mean() > 0.5
    return folder


def different_keys(a, b):
    """The keys of obsm and obs in which two latents differ."""
    assert set(a.obsm) == set(b.obsm) and "z_0" in a.obsm
    pairs = {key: (np.asarray(a.obsm[key]), np.asarray(b.obsm[key])) for key in a.obsm}
    keys = [key for key, pair in pairs.items() if not np.array_equal(*pair, equal_nan=True)]
    columns = [key for key in a.obs if key.startswith(("cluster_", "disagree_"))]
    return keys + [key for key in columns if not (a.obs[key] == b.obs[key]).all()]


@pytest.mark.parametrize("module", plugin_names("model"))
def test_no_label_reaches_an_unsupervised_run(toy, permuted, tmp_path, module):
    """With permuted labels, the weights, history, latent, clusters and terms are the same."""
    training = FEW | {"guide_epochs": int(module != "vade")}
    before = train_and_embed(toy, permuted / "observed.csv", tmp_path / "before", module, training=training)
    after = train_and_embed(
        permuted / "toy.h5ad", permuted / "observed.csv", tmp_path / "after", module, training=training
    )
    for file in ("weights.safetensors", "history.csv"):
        assert (tmp_path / "before" / file).read_bytes() == (tmp_path / "after" / file).read_bytes()
    assert different_keys(before, after) == []


NO_LABELS = ["kmeans", "mixture", "louvain", "leiden", "random"]


@pytest.mark.parametrize(
    ("name", "space"),
    [*((name, "pca") for name in NO_LABELS), pytest.param("mixture", "umap", marks=pytest.mark.slow)],
)
def test_no_label_reaches_an_unsupervised_baseline(toy, permuted, tmp_path, name, space):
    latents = []
    for data in (toy, permuted / "toy.h5ad"):
        arguments = name, space, None, {"n_dimensions": 3}, 5, [0, 1], "toy", name
        baseline(data, tmp_path / "latent.h5ad", tmp_path / "made.json", *arguments)
        latents.append(read_latent(tmp_path / "latent.h5ad"))
    assert different_keys(*latents) == []


def test_the_list_of_unsupervised_baselines_is_complete():
    assert set(NO_LABELS) | {"truth", "svm", "mlp", "logistic", "knn"} == set(plugin_names("baseline"))
