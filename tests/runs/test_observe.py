"""Step observe: which labels are shown, that the draw is fair and fixed, and what is refused."""

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


def labels_shown(digits, tmp_path, labels: str, seed: int = 0) -> pd.DataFrame:
    observe(digits, tmp_path / "observed.csv", labels, seed)
    return pd.read_csv(tmp_path / "observed.csv", dtype=str, keep_default_na=False)


@pytest.mark.parametrize(("labels", "n"), [("none", 0), ("all", 1438), ("0.1", 144), ("100", 100), ("10", 10)])
def test_as_many_labels_as_asked_for_and_every_class_among_them(digits, tmp_path, labels, n):
    observed = labels_shown(digits, tmp_path, labels)
    shown = observed["label"][observed["label"] != ""]
    assert list(observed) == ["row", "label"] and len(observed) == 1438
    assert len(shown) == n
    if n:
        assert shown.nunique() == 10 and shown.value_counts().max() <= 1.2 * n / 10 + 1


def test_shown_labels_are_the_true_ones_of_training_rows(digits, tmp_path):
    observed = labels_shown(digits, tmp_path, "50").set_index("row")["label"]
    obs = load_dataset(digits).obs
    shown = observed[observed != ""]
    assert list(observed.index) == list(obs.index[obs["split"] == "train"])
    assert (obs.loc[shown.index, "label"].astype(str) == shown).all()


def test_labels_of_one_batch_are_all_shown(digits, tmp_path):
    adata = load_dataset(digits)
    adata.obs["batch"] = pd.Categorical(["left" if i % 3 else "right" for i in range(adata.n_obs)])
    adata.write_h5ad(tmp_path / "both.h5ad")
    observed = labels_shown(tmp_path / "both.h5ad", tmp_path, "batch:right").set_index("row")["label"]
    training = adata.obs.loc[observed.index]
    assert ((observed != "") == (training["batch"] == "right")).all()
    assert (observed == training["label"].astype(str))[observed != ""].all()
    with pytest.raises(Refused, match="labels: batch 'up' does not occur; allowed: left, right"):
        observe(tmp_path / "both.h5ad", tmp_path / "other.csv", "batch:up")
    with pytest.raises(Refused, match="labels: batch 'up' does not occur; allowed: none, there are none"):
        observe(digits, tmp_path / "other.csv", "batch:up")


def test_the_draw_depends_on_the_seed_only(digits, tmp_path):
    first = labels_shown(digits, tmp_path, "100")
    assert first.equals(labels_shown(digits, tmp_path, "100"))
    assert not first.equals(labels_shown(digits, tmp_path, "100", seed=1))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("some", "labels is 'some'; allowed: none, all, louvain, a share in"),
        ("2000", r"labels: 2000 asks for 2000 labelled rows; allowed: 10 \(one for each class\) to 1438"),
        ("0.001", "labels: 0.001 asks for 1 labelled rows; allowed: 10"),
        ("-3", "labels is -3; allowed: none, all"),
        ("12.5", "labels is 12.5; allowed: none, all"),
    ],
)
def test_the_impossible_is_refused_and_nothing_written(digits, tmp_path, labels, message):
    with pytest.raises(Refused, match=message):
        observe(digits, tmp_path / "observed.csv", labels)
    assert not list(tmp_path.iterdir())


def test_a_refusal_on_the_command_line_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "gmvae.runs.observe", "--data", tmp_path / "none.h5ad", "--output", tmp_path / "o.csv"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and "no such file" in done.stderr
    assert not list(tmp_path.iterdir())


def test_louvain_clusters_stand_in_the_place_of_labels(digits, tmp_path):
    """As many as asked for, those of the baseline of the same seed, and the same whatever the labels say."""
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
    """Points in parts so far from each other that no resolution joins them."""
    part = np.arange(40 * n_parts) % n_parts
    x = np.random.default_rng(0).normal(size=(len(part), 3)) + 1e3 * part[:, None]
    obs = pd.DataFrame(index=[f"r{i}" for i in range(len(part))])
    obs["split"] = pd.Categorical(np.where(np.arange(len(part)) // n_parts % 5, "train", "test"))
    uns = {"likelihood": "normal", "shape": np.array([], dtype=np.int64), "name": "islands"}
    return anndata.AnnData(X=x.astype(np.float32), obs=obs, uns=uns)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "louvain: n_components is None; allowed: 1 to 160"),
        ({"n_components": 161}, "louvain: n_components is 161; allowed: 1 to 160"),
        ({"n_components": 4, "n_dimensions": 4}, "louvain: n_dimensions is 4; allowed: 1 to 3"),
        ({"n_components": 3, "n_dimensions": 2}, "louvain: the graph falls into 5 parts; allowed: n_components from 5"),
    ],
)
def test_a_guide_that_cannot_be_is_refused(tmp_path, options, message):
    islands(5).write_h5ad(tmp_path / "islands.h5ad")
    with pytest.raises(Refused, match=message):
        observe(tmp_path / "islands.h5ad", tmp_path / "observed.csv", "louvain", **options)
    assert not (tmp_path / "observed.csv").exists()


def test_a_guide_needs_no_labels_and_none_of_its_own_names(tmp_path, capsys):
    adata = islands(2)
    adata.write_h5ad(tmp_path / "islands.h5ad")
    observe(tmp_path / "islands.h5ad", tmp_path / "observed.csv", "louvain", n_components=2, n_dimensions=2)
    observed = pd.read_csv(tmp_path / "observed.csv", dtype=str)["label"]
    assert (observed.iloc[::2] == observed[0]).all() and (observed.iloc[1::2] == observed[1]).all()
    adata.obs["label"] = pd.Categorical(["louvain 1"] * adata.n_obs)
    adata.write_h5ad(tmp_path / "islands.h5ad")
    with pytest.raises(Refused, match="has classes of its own with names as 'louvain 0'"):
        observe(tmp_path / "islands.h5ad", tmp_path / "other.csv", "louvain", n_components=2, n_dimensions=2)
