"""Step observe: which labels are shown, that the draw is fair and fixed, and what is refused."""

import subprocess
import sys

import pandas as pd
import pytest

from gmvae.data import load
from gmvae.errors import Refused
from gmvae.observe import observe
from gmvae.prepare import prepare


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
    obs = load(digits).obs
    shown = observed[observed != ""]
    assert list(observed.index) == list(obs.index[obs["split"] == "train"])
    assert (obs.loc[shown.index, "label"].astype(str) == shown).all()


def test_labels_of_one_batch_are_all_shown(digits, tmp_path):
    adata = load(digits)
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
        ("some", "labels is 'some'; allowed: none, all, a share in"),
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
        [sys.executable, "-m", "gmvae.observe", "--data", tmp_path / "none.h5ad", "--output", tmp_path / "o.csv"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and "no such file" in done.stderr
    assert not list(tmp_path.iterdir())
