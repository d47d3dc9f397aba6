"""Step `observe`: which labels are visible, that the draw is balanced and reproducible, and what is refused."""

import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest

from gmvae.data.prepare import prepare
from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import read_latent
from gmvae.pipeline.errors import Refused
from gmvae.runs.baseline import baseline
from gmvae.runs.observe import observe


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("observe") / "digits.h5ad"
    prepare("digits", path, "Digits", test_share=0.2)
    return path


def observed_table(digits, tmp_path, labels: str, seed: int = 0) -> pd.DataFrame:
    """The rows and labels that the step writes."""
    observe(digits, tmp_path / "observed.csv", labels, seed)
    return pd.read_csv(tmp_path / "observed.csv", dtype=str, keep_default_na=False)


@pytest.mark.parametrize(("labels", "n"), [("none", 0), ("all", 1438), ("0.1", 144), ("100", 100), ("10", 10)])
def test_the_requested_number_of_labels_is_visible_with_every_class_among_them(digits, tmp_path, labels, n):
    observed = observed_table(digits, tmp_path, labels)
    visible = observed["label"][observed["label"] != ""]
    assert list(observed) == ["row", "label"] and len(observed) == 1438
    assert len(visible) == n
    if n:
        assert visible.nunique() == 10 and visible.value_counts().max() <= 1.2 * n / 10 + 1


def test_visible_labels_are_the_true_labels_of_training_rows(digits, tmp_path):
    observed = observed_table(digits, tmp_path, "50").set_index("row")["label"]
    obs = load_dataset(digits).obs
    visible = observed[observed != ""]
    assert list(observed.index) == list(obs.index[obs["split"] == "train"])
    assert (obs.loc[visible.index, "label"].astype(str) == visible).all()


def test_all_labels_of_one_batch_are_visible(digits, tmp_path):
    adata = load_dataset(digits)
    adata.obs["batch"] = pd.Categorical(["left" if i % 3 else "right" for i in range(adata.n_obs)])
    adata.write_h5ad(tmp_path / "both.h5ad")
    observed = observed_table(tmp_path / "both.h5ad", tmp_path, "batch:right").set_index("row")["label"]
    training = adata.obs.loc[observed.index]
    assert ((observed != "") == (training["batch"] == "right")).all()
    assert (observed == training["label"].astype(str))[observed != ""].all()
    with pytest.raises(Refused, match=r"batch 'up' .*left, right"):
        observe(tmp_path / "both.h5ad", tmp_path / "other.csv", "batch:up")
    with pytest.raises(Refused, match=r"batch 'up' .*none"):
        observe(digits, tmp_path / "other.csv", "batch:up")


def test_the_draw_depends_on_the_seed_only(digits, tmp_path):
    first = observed_table(digits, tmp_path, "100")
    assert first.equals(observed_table(digits, tmp_path, "100"))
    assert not first.equals(observed_table(digits, tmp_path, "100", seed=1))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("some", "labels is 'some'; .*none, all, louvain, "),
        ("2000", "labels: 2000 .*10 .*1438"),
        ("0.001", r"labels: 0\.001 .*1 .*10"),
        ("-3", "labels is -3; .*none, all"),
        ("12.5", r"labels is 12\.5; .*none, all"),
    ],
)
def test_impossible_settings_are_refused_and_nothing_is_written(digits, tmp_path, labels, message):
    with pytest.raises(Refused, match=message):
        observe(digits, tmp_path / "observed.csv", labels)
    assert not list(tmp_path.iterdir())


def test_a_refusal_on_the_command_line_is_one_line(tmp_path):
    process = subprocess.run(
        [sys.executable, "-m", "gmvae.runs.observe", "--data", tmp_path / "none.h5ad", "--output", tmp_path / "o.csv"],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert process.stderr.startswith("error: ") and process.stderr.count("\n") == 1
    assert "no such file" in process.stderr
    assert not list(tmp_path.iterdir())


def test_louvain_clusters_take_the_place_of_labels(digits, tmp_path):
    """The requested number, equal to the baseline's clusters of the same seed, whatever the labels are."""
    observe(digits, tmp_path / "observed.csv", "louvain", n_components=9, n_dimensions=12)
    observed = pd.read_csv(tmp_path / "observed.csv", dtype=str).set_index("row")["label"]
    assert sorted(observed.unique()) == [f"louvain {k}" for k in range(9)]
    adata = load_dataset(digits)
    train = adata.obs["split"] == "train"
    assert list(observed.index) == list(adata.obs_names[train])
    arguments = "louvain", "pca", None, {"n_dimensions": 12}, 9, [0], "t", "m"
    baseline(digits, tmp_path / "latent.h5ad", tmp_path / "provenance.json", *arguments)
    teacher = read_latent(tmp_path / "latent.h5ad").obs["cluster_0"][train]
    assert (observed == [f"louvain {k}" for k in teacher]).all()
    adata.obs["label"] = pd.Categorical(np.roll(adata.obs["label"].astype(str), 700))
    adata.write_h5ad(tmp_path / "moved.h5ad")
    observe(tmp_path / "moved.h5ad", tmp_path / "moved.csv", "louvain", n_components=9, n_dimensions=12)
    assert (tmp_path / "moved.csv").read_bytes() == (tmp_path / "observed.csv").read_bytes()


def islands(n_parts: int) -> anndata.AnnData:
    """Points in parts so far apart that no resolution joins them."""
    part = np.arange(40 * n_parts) % n_parts
    x = np.random.default_rng(0).normal(size=(len(part), 3)) + 1e3 * part[:, None]
    obs = pd.DataFrame(index=[f"r{i}" for i in range(len(part))])
    obs["split"] = pd.Categorical(np.where(np.arange(len(part)) // n_parts % 5, "train", "test"))
    uns = {"likelihood": "normal", "shape": np.array([], dtype=np.int64), "name": "islands"}
    return anndata.AnnData(X=x.astype(np.float32), obs=obs, uns=uns)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "louvain: n_components is None; .*1 to 160"),
        ({"n_components": 161}, "louvain: n_components is 161; .*1 to 160"),
        ({"n_components": 4, "n_dimensions": 4}, "louvain: n_dimensions is 4; .*1 to 3"),
        ({"n_components": 3, "n_dimensions": 2}, "louvain: .*5 parts; .*n_components from 5"),
    ],
)
def test_an_impossible_clustering_is_refused(tmp_path, options, message):
    islands(5).write_h5ad(tmp_path / "islands.h5ad")
    with pytest.raises(Refused, match=message):
        observe(tmp_path / "islands.h5ad", tmp_path / "observed.csv", "louvain", **options)
    assert not (tmp_path / "observed.csv").exists()


def test_a_clustering_needs_no_labels_and_refuses_classes_named_like_clusters(tmp_path, capsys):
    adata = islands(2)
    adata.write_h5ad(tmp_path / "islands.h5ad")
    observe(tmp_path / "islands.h5ad", tmp_path / "observed.csv", "louvain", n_components=2, n_dimensions=2)
    observed = pd.read_csv(tmp_path / "observed.csv", dtype=str)["label"]
    assert (observed.iloc[::2] == observed[0]).all() and (observed.iloc[1::2] == observed[1]).all()
    adata.obs["label"] = pd.Categorical(["louvain 1"] * adata.n_obs)
    adata.write_h5ad(tmp_path / "islands.h5ad")
    with pytest.raises(Refused, match=r"louvain: .*'louvain 0'"):
        observe(tmp_path / "islands.h5ad", tmp_path / "other.csv", "louvain", n_components=2, n_dimensions=2)
