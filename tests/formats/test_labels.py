"""What models are told: true labels or clusters, who is judged as what, and that no hidden label reaches a run."""

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


def written(folder, lines):
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
    told = read_observed_labels(OBS, written(tmp_path, lines))
    assert told.codes.tolist() == codes and (told.n_categories, told.true) == (n, true)


def test_clusters_need_no_classes(tmp_path):
    told = read_observed_labels(OBS[[]], written(tmp_path, ["r0,louvain 1", "r1,louvain 0"]))
    assert told.codes.tolist() == [1, 0, -1, -1] and not told.true


@pytest.mark.parametrize("lines", [["r0,louvain 1", "r1,a"], ["r0,louvain x"], ["r9,a"], ["r0,d"]])
def test_what_the_data_set_has_not_is_refused(tmp_path, lines):
    with pytest.raises(Refused, match="which the data set has not: run the step `observe` again"):
        read_observed_labels(OBS, written(tmp_path, lines))


def trained(data, observed, folder, module="gmdvae", n_components=5, training=FEW):
    """The latent of a run through the steps train and embed."""
    folder.mkdir()
    weights = folder / "weights.safetensors"
    made = weights, folder / "history.csv", folder / "provenance.json"
    settings = {name: value for name, value in SMALL.items() if name in accepted_settings({"module": module})}
    train(data, observed, *made, module, settings, training, n_components, [0, 1], progress=False)
    embed(data, observed, weights, folder / "latent.h5ad", "toy", module, n_importance=2)
    return read_latent(folder / "latent.h5ad")


def test_a_guided_run_learns_its_teacher_and_is_judged_as_one_that_saw_no_label(toy, tmp_path):
    observed = tmp_path / "observed.csv"
    observe(toy, observed, "louvain", n_components=6, n_dimensions=4)
    seen = pd.read_csv(observed, dtype=str).set_index("row")["label"]
    run = trained(toy, observed, tmp_path / "run", n_components=6, training=FEW | {"epochs": 30, "guide_epochs": 20})
    assert not run.uns["labels_observed"]
    cluster = "louvain " + run.obs["cluster_0"].astype(str)
    assert (cluster[seen.index] == seen).mean() > 0.9  # component k is cluster k
    evaluate(tmp_path / "run/latent.h5ad", tmp_path / "metrics.csv", "toy", "gmdvae")
    found = set(pd.read_csv(tmp_path / "metrics.csv")["metric"])
    assert "purity" in found and "accuracy" not in found  # six components, five classes
    with pytest.raises(Refused, match="n_components: found 5; allowed: at least 6, the observed classes or clusters"):
        trained(toy, observed, tmp_path / "other", n_components=5)
    # A classifier may have the same teacher.
    arguments = "svm", "data", None, {}, 5, [0], "toy", "svm"
    baseline(toy, tmp_path / "svm.h5ad", tmp_path / "made.json", *arguments, observed)
    pupil = read_latent(tmp_path / "svm.h5ad")
    assert not pupil.uns["labels_observed"] and int(pupil.uns["n_components"]) == 6


def test_components_of_a_guided_run_are_matched_where_they_are_as_many_as_the_classes(toy, tmp_path):
    observed = tmp_path / "observed.csv"
    observe(toy, observed, "louvain", n_components=5, n_dimensions=4)
    table = pd.read_csv(observed, dtype=str)
    # Louvain's numbers happen to be those of the classes: give it others.
    table["label"] = [f"louvain {(int(name[-1]) + 1) % 5}" for name in table["label"]]
    table.to_csv(observed, index=False)
    run = trained(toy, observed, tmp_path / "run", training=FEW | {"epochs": 30, "guide_epochs": 20})
    assert (run.obs["cluster_0"] == run.obs["label"].cat.codes).mean() < 0.1
    evaluate(tmp_path / "run/latent.h5ad", tmp_path / "metrics.csv", "toy", "gmdvae")
    found = pd.read_csv(tmp_path / "metrics.csv").set_index(["metric", "split", "seed"])["value"]
    assert found["accuracy", "test", 0] > 0.9


@pytest.fixture(scope="module")
def permuted(toy, tmp_path_factory):
    """The toy set with its labels dealt anew, and what may be seen of them: nothing."""
    adata = load_dataset(toy)
    order = np.random.default_rng(0).permutation(adata.n_obs)
    adata.obs["label"] = pd.Categorical(adata.obs["label"].astype(str).to_numpy()[order])
    folder = tmp_path_factory.mktemp("permuted")
    adata.write_h5ad(folder / "toy.h5ad")
    observe(folder / "toy.h5ad", folder / "observed.csv", "none")
    assert (adata.obs["label"].astype(str) != load_dataset(toy).obs["label"].astype(str)).mean() > 0.5
    return folder


def differences(one, other):
    """What two latents have different, of all that is counted by row."""
    assert set(one.obsm) == set(other.obsm) and "z_0" in one.obsm
    pairs = {key: (np.asarray(one.obsm[key]), np.asarray(other.obsm[key])) for key in one.obsm}
    keys = [key for key, pair in pairs.items() if not np.array_equal(*pair, equal_nan=True)]
    columns = [key for key in one.obs if key.startswith(("cluster_", "disagree_"))]
    return keys + [key for key in columns if not (one.obs[key] == other.obs[key]).all()]


@pytest.mark.parametrize("module", plugin_names("model"))
def test_no_label_reaches_an_unsupervised_run(toy, permuted, tmp_path, module):
    """Dealt anew, labels leave weights and history the same to the byte, and the latent, clusters and terms."""
    training = FEW | {"guide_epochs": int(module != "vade")}
    before = trained(toy, permuted / "observed.csv", tmp_path / "before", module, training=training)
    after = trained(permuted / "toy.h5ad", permuted / "observed.csv", tmp_path / "after", module, training=training)
    for file in ("weights.safetensors", "history.csv"):
        assert (tmp_path / "before" / file).read_bytes() == (tmp_path / "after" / file).read_bytes()
    assert differences(before, after) == []


BLIND = ["kmeans", "mixture", "louvain", "leiden", "random"]


@pytest.mark.parametrize(
    ("name", "space"), [*((name, "pca") for name in BLIND), pytest.param("mixture", "umap", marks=pytest.mark.slow)]
)
def test_no_label_reaches_a_baseline_that_sees_none(toy, permuted, tmp_path, name, space):
    found = []
    for data in (toy, permuted / "toy.h5ad"):
        arguments = name, space, None, {"n_dimensions": 3}, 5, [0, 1], "toy", name
        baseline(data, tmp_path / "latent.h5ad", tmp_path / "made.json", *arguments)
        found.append(read_latent(tmp_path / "latent.h5ad"))
    assert differences(*found) == []


def test_the_list_of_blind_baselines_is_whole():
    assert set(BLIND) | {"truth", "svm", "mlp", "logistic", "knn"} == set(plugin_names("baseline"))
