"""Observed labels: true labels or clusters, how their runs are evaluated, and that hidden labels stay hidden."""

import anndata
import numpy as np
import pandas as pd
import pytest

from gmvae.data.prepare import prepare
from gmvae.data.readers import toy as toy_reader
from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import categories_with_gaps, read_observed_labels, true_labels
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
    return anndata.read_h5ad(folder / "latent.h5ad")


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
        latents.append(anndata.read_h5ad(tmp_path / "latent.h5ad"))
    assert different_keys(*latents) == []


def test_the_list_of_unsupervised_baselines_is_complete():
    needs_a_graph = {"leiden_start"}  # its test is in tests/runs/test_neighbours.py
    classifiers = {"truth", "svm", "mlp", "logistic", "knn"}
    assert set(NO_LABELS) | needs_a_graph | classifiers == set(plugin_names("baseline"))


# --------------------------------------------------------------------------------------------------------------- gaps

GAP_TEXTS = ["", "  ", "NA", "NaN", "nan", "None", "<NA>", " NA "]  # what R and pandas write for a missing value
CLASSES = ["n/a", "unknown", "na", "NAN cell", "-", "0", "NA cells"]  # words that somebody chose


def test_texts_that_r_and_pandas_write_for_a_missing_value_are_gaps_and_words_are_classes(tmp_path):
    values = pd.Series([*GAP_TEXTS, None, np.nan, pd.NA, *CLASSES], dtype=object)
    column = categories_with_gaps(values)
    assert column.isna().sum() == len(GAP_TEXTS) + 3 and list(column.categories) == sorted(CLASSES)
    pd.DataFrame({"label": ["a", None]}).to_csv(tmp_path / "table.csv", na_rep="NA", index=False)
    written = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)["label"]
    for texts in (written, pd.Series(["a", np.nan]).astype(str), pd.Series(["a", None]).map(str)):
        assert categories_with_gaps(texts).codes.tolist() == [0, -1]


@pytest.mark.parametrize("values", [[1, 2, np.nan], [True, False, None], pd.Categorical(["b", "a", ""])])
def test_values_of_any_type_become_classes_by_their_texts(values):
    column = categories_with_gaps(pd.Series(values))
    assert column.isna().tolist() == [False, False, True]
    assert list(column.categories) == sorted(str(value) for value in pd.Series(values)[:2])


def cells_file(path, label, **columns):
    """A user's file of cells with these labels."""
    counts = np.random.default_rng(0).poisson(3.0, (len(label), 12)).astype(np.float32) + 1
    obs = pd.DataFrame({"cell_type": label, **columns}, index=[f"cell {i}" for i in range(len(label))])
    anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"g{j}" for j in range(12)])).write_h5ad(path)
    return {"path": str(path), "label": "cell_type"}


@pytest.mark.parametrize("gap", ["", " ", "NA", "nan", None])
def test_cells_whose_label_is_a_gap_are_refused_or_left_out_whatever_the_gap_is(tmp_path, gap):
    label = np.array(["a", "b", gap] * 20, dtype=object)
    settings = cells_file(tmp_path / "cells.h5ad", label)
    with pytest.raises(Refused, match=r"label column 'cell_type' has 20 gaps among 60 cells.*drop_unlabelled"):
        prepare("h5ad", tmp_path / "out.h5ad", "Mine", settings=settings, test_share=0.2)
    prepare("h5ad", tmp_path / "out.h5ad", "Mine", settings=settings | {"drop_unlabelled": True}, test_share=0.2)
    rows = load_dataset(tmp_path / "out.h5ad")
    assert rows.n_obs == 40 and list(rows.obs["label"].cat.categories) == ["a", "b"]
    observe(tmp_path / "out.h5ad", tmp_path / "observed.csv", "all")
    observed = read_observed_labels(rows.obs, tmp_path / "observed.csv")
    train = (rows.obs["split"] == "train").to_numpy()
    assert observed.n_categories == 2 and (observed.codes[train] == true_labels(rows)[train]).all()


@pytest.mark.parametrize("key", ["condition", "batch"])
def test_a_gap_in_a_condition_or_batch_is_refused(tmp_path, key):
    settings = cells_file(tmp_path / "cells.h5ad", ["a", "b"] * 20, other=["x", "y", "x", ""] * 10)
    with pytest.raises(Refused, match=rf"{key} column 'other' has 10 gaps"):
        prepare("h5ad", tmp_path / "out.h5ad", "Mine", settings=settings | {key: "other"}, test_share=0.2)


@pytest.mark.parametrize("gap", ["", "NA", None])
def test_gaps_of_any_reader_are_refused_by_column_before_the_split(tmp_path, monkeypatch, gap):
    rows = toy_reader.read()
    complete, label = rows.obs["label"], rows.obs["label"].astype(object)
    label.iloc[:7] = gap
    rows.obs["label"] = pd.Categorical(label)
    monkeypatch.setattr(toy_reader, "read", lambda raw, **settings: rows.copy())
    with pytest.raises(Refused, match=r"obs\['label'\] has 7 gaps .*among 1250 rows"):
        prepare("toy", tmp_path / "toy.h5ad", "Toy", test_share=0.2)
    rows.obs["type"] = rows.obs["label"]  # finer labels may have gaps
    rows.obs["label"] = complete
    prepare("toy", tmp_path / "toy.h5ad", "Toy", test_share=0.2)
    assert load_dataset(tmp_path / "toy.h5ad").obs["type"].isna().sum() == 7


def test_a_file_with_a_class_that_is_a_gap_is_refused_by_each_step_that_reads_it(toy, tmp_path):
    adata = load_dataset(toy)
    adata.obs["label"] = adata.obs["label"].cat.rename_categories({adata.obs["label"].cat.categories[0]: ""})
    adata.write_h5ad(tmp_path / "toy.h5ad")
    with pytest.raises(Refused, match=r"obs\['label'\] has the class ''; allowed: a gap"):
        observe(tmp_path / "toy.h5ad", tmp_path / "observed.csv", "all")


def test_classes_of_one_cell_each_are_refused_with_a_remedy_that_works(tmp_path):
    label = [f"class {i}" for i in range(40)]
    settings = cells_file(tmp_path / "cells.h5ad", label)
    with pytest.raises(Refused, match=r"obs\['split'\] holds \['train'\].*; .*labels.* that two rows or more share"):
        prepare("h5ad", tmp_path / "out.h5ad", "Mine", settings=settings, test_share=0.2)
    settings = cells_file(tmp_path / "cells.h5ad", [*label[:38], "class 0", "class 1"])
    prepare("h5ad", tmp_path / "out.h5ad", "Mine", settings=settings, test_share=0.2)
    assert load_dataset(tmp_path / "out.h5ad").obs["split"].value_counts().to_dict() == {"train": 38, "test": 2}


# -------------------------------------------------------------------------------------------- more components than rows


@pytest.fixture(scope="module")
def few_rows(tmp_path_factory):
    """A dataset of 24 training rows, and a table of hidden labels."""
    folder = tmp_path_factory.mktemp("few")
    settings = cells_file(folder / "cells.h5ad", ["a", "b"] * 15)
    prepare("h5ad", folder / "data.h5ad", "Few", settings=settings, test_share=0.2)
    observe(folder / "data.h5ad", folder / "observed.csv", "none")
    return folder


MANY = 100
COMPONENTS = ["gmdvae", "gmvae", "vade", "idec", "m2"]


@pytest.mark.parametrize("module", COMPONENTS)
def test_more_components_than_rows_are_refused_before_training_where_the_start_clusters(few_rows, tmp_path, module):
    training = FEW | {"guide_epochs": int(module != "vade")}
    with pytest.raises(Refused, match=r"n_components: found 100; allowed: at most 24, .*; set fewer components, or"):
        train_and_embed(few_rows / "data.h5ad", few_rows / "observed.csv", tmp_path / "run", module, MANY, training)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("module", ["gmdvae", "gmvae", "m2"])
def test_more_components_than_rows_work_without_such_a_start(few_rows, tmp_path, module):
    training = FEW | {"guide_epochs": 0}
    run = train_and_embed(few_rows / "data.h5ad", few_rows / "observed.csv", tmp_path / "run", module, MANY, training)
    assert run.obsm["q_y_0"].shape == (30, MANY)
    evaluate(tmp_path / "run/latent.h5ad", tmp_path / "metrics.csv", "few", module)
    assert np.isfinite(pd.read_csv(tmp_path / "metrics.csv")["value"]).all()


@pytest.mark.parametrize("n_components", [24, 100])
def test_as_many_components_as_rows_work_and_observed_labels_need_no_clusters(few_rows, tmp_path, n_components):
    observe(few_rows / "data.h5ad", tmp_path / "observed.csv", "none" if n_components == 24 else "all")
    run = train_and_embed(few_rows / "data.h5ad", tmp_path / "observed.csv", tmp_path / "run", "gmdvae", n_components)
    assert run.obsm["q_y_0"].shape == (30, n_components)


@pytest.mark.parametrize("name", [name for name in plugin_names("baseline") if name != "leiden_start"])
def test_a_baseline_refuses_more_components_than_rows_only_where_it_clusters(few_rows, tmp_path, name):
    observe(few_rows / "data.h5ad", tmp_path / "observed.csv", "all")
    arguments = few_rows / "data.h5ad", tmp_path / "latent.h5ad", tmp_path / "made.json", name, "data", None, {}
    call = [*arguments, MANY, [0], "few", name, tmp_path / "observed.csv"]
    if name in ("kmeans", "mixture", "louvain", "leiden"):
        with pytest.raises(Refused, match=rf"n_components: found 100; allowed for the baseline {name}: 1 to 24"):
            baseline(*call)
    else:
        baseline(*call)
        assert read_latent(tmp_path / "latent.h5ad").n_obs == 30
