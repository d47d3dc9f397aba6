"""Labels of one dataset transferred to another: what models see, what is tested, and what accuracy counts."""

import numpy as np
import pandas as pd
import pytest
import torch
from support.cells import raw_cells

from gmvae.data import prepare
from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import read_latent
from gmvae.formats.weights import load_weights
from gmvae.metrics.evaluate import evaluate
from gmvae.pipeline.errors import Refused
from gmvae.runs.baseline import baseline
from gmvae.runs.embed import embed
from gmvae.runs.observe import observe
from gmvae.runs.train import train

ROWS = {
    "join": {"source": "two"},
    "merge": {"rest": ["type 1", "type 2"]},
    "condition": "batch",
    "tested": {"batch": ["two"]},
}


@pytest.fixture
def joined_sets(tmp_path, monkeypatch):
    """Two sources of the same types, joined, and the labels of the first."""
    sources = {"one": raw_cells(n=90, n_batches=1), "two": raw_cells(n=60, n_batches=1, seed=1)}
    monkeypatch.setattr(prepare, "read_source", lambda source, raw, settings: sources[source].copy())
    prepare.prepare("one", tmp_path / "both.h5ad", "Both", test_share=0.5, rows=ROWS)
    observe(tmp_path / "both.h5ad", tmp_path / "observed.csv", "batch:one")
    return tmp_path


def test_only_the_other_set_is_tested_and_its_labels_are_never_visible(joined_sets):
    obs = load_dataset(joined_sets / "both.h5ad").obs
    assert set(obs["batch"][obs["split"] == "test"]) == {"two"} and (obs["split"] == "test").sum() == 30
    observed = pd.read_csv(joined_sets / "observed.csv", dtype=str, keep_default_na=False).set_index("row")["label"]
    batch = obs["batch"][observed.index]
    assert (observed[batch == "one"] != "").all() and (observed[batch == "two"] == "").all()
    assert (batch == "one").sum() == 90 and (batch == "two").sum() == 30
    assert (obs["condition"] == obs["batch"]).all() and "type" not in obs


def test_the_quoted_accuracy_is_that_of_the_other_set(joined_sets):
    both, latent = joined_sets / "both.h5ad", joined_sets / "latent.h5ad"
    arguments = "knn", "data", None, {"n_neighbours": 3}, 2, [0], "t", "knn", joined_sets / "observed.csv"
    baseline(both, latent, joined_sets / "made.json", *arguments)
    evaluate(latent, joined_sets / "metrics.csv", "t", "knn")
    values = pd.read_csv(joined_sets / "metrics.csv").set_index(["split", "metric"])["value"]
    adata = load_dataset(both)
    labelled = (adata.obs["batch"] == "one").to_numpy()
    tested = np.flatnonzero((~labelled & (adata.obs["split"] == "test")).to_numpy())
    x, truth = adata.X.toarray().astype(float), adata.obs["label"].cat.codes.to_numpy()
    nearest = [np.argsort(np.linalg.norm(x[labelled] - x[row], axis=1))[:3] for row in tested]
    right = [round(truth[labelled][rows].mean()) == truth[row] for row, rows in zip(tested, nearest, strict=True)]
    assert values["test", "accuracy"] == pytest.approx(np.mean(right))


def test_a_conditional_model_gets_the_set_as_the_condition(joined_sets):
    both, observed, weights = (
        joined_sets / "both.h5ad",
        joined_sets / "observed.csv",
        joined_sets / "weights.safetensors",
    )
    outputs = weights, joined_sets / "history.csv", joined_sets / "provenance.json"
    training = {"epochs": 2, "batch_size": 64, "learning_rate": 1e-3}
    train(both, observed, *outputs, "cgmdvae", {"n_latent": 2, "n_hidden": 8}, training, 2, [0], progress=False)
    assert load_weights(weights, torch.device("cpu"))[0].n_conditions == 2
    embed(both, observed, weights, joined_sets / "latent.h5ad", "t", "cgmdvae", n_importance=2)
    run = read_latent(joined_sets / "latent.h5ad")
    assert run.uns["labels_observed"] and run.obs["condition"].tolist() == run.obs["batch"].tolist()


def test_a_batch_that_does_not_exist_cannot_be_the_condition():
    adata = raw_cells(n=30)
    del adata.obs["batch"]
    with pytest.raises(Refused, match=r"rows\.condition: 'batch' .*none"):
        prepare.derive_set(adata, "one", None, {"condition": "batch"})
