"""What the encoder sees, through all steps of a run on counts: prepare, train, embed, evaluate and respond."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from support.cells import raw_cells

from gmvae.data import prepare
from gmvae.formats.latent import read_latent
from gmvae.formats.weights import load_weights
from gmvae.metrics.evaluate import evaluate
from gmvae.pipeline.errors import Refused
from gmvae.runs.embed import embed
from gmvae.runs.observe import observe
from gmvae.runs.respond import respond
from gmvae.runs.train import train

HELD = {"label": "type 1", "condition": "batch 1"}
ROWS = {"condition": "batch", "hold_out": HELD}
PLAN = {"epochs": 3, "batch_size": 64, "learning_rate": 3e-3, "autoencode_epochs": 1}
FILES = {"weights": "weights.safetensors", "history": "history.csv", "provenance": "provenance.json"}
D = 80


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Cells of three types in two batches, one type held out of one batch, and all labels of the training cells."""
    folder = tmp_path_factory.mktemp("cells")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "read_source", lambda source, raw, settings: raw_cells(n_genes=D))
        prepare.prepare("made", folder / "cells.h5ad", "Cells", test_share=0.2, rows=ROWS)
    observe(folder / "cells.h5ad", folder / "observed.csv", "all")
    return folder


def run_steps(
    cells, folder, module="cgmdvae", observed="observed.csv", data="cells.h5ad", training=None, seeds=(0, 1), **options
):
    """Train for a moment, embed and evaluate; the arguments of the model and the metrics of test rows."""
    inputs = cells / data, cells / observed
    where = {name: folder / file for name, file in FILES.items()}
    common = {"settings": {"n_latent": 4}, "training": PLAN | (training or {}), "n_components": 3, "seeds": list(seeds)}
    train(*inputs, **where, module=module, **common, device="cpu", progress=False, **options)
    embed(*inputs, where["weights"], folder / "latent.h5ad", "t", module, device="cpu")
    evaluate(folder / "latent.h5ad", folder / "metrics.csv", "t", module)
    metrics = pd.read_csv(folder / "metrics.csv")
    arguments = load_weights(where["weights"], torch.device("cpu"))[1]["arguments"]
    return arguments, metrics[metrics["split"] == "test"].set_index(["seed", "metric"])["value"]


@pytest.mark.parametrize("module", ["cgmdvae", "vae", "m2"])
def test_models_of_counts_encode_components_and_score_the_counts(cells, tmp_path, module):
    arguments, metrics = run_steps(cells, tmp_path, module)
    assert (arguments["n_inputs"], arguments["n_features"]) == (50, D)
    assert np.isfinite(metrics).all()
    showcase = read_latent(tmp_path / "latent.h5ad").uns["showcase"]
    assert showcase["reconstruction_0"].shape[1] == D
    if module == "cgmdvae":
        written = {"output": tmp_path / "response.csv", "profiles": tmp_path / "profiles.csv"}
        respond(cells / "cells.h5ad", tmp_path / "weights.safetensors", **written, task="t", model=module, **HELD)
        assert np.isfinite(pd.read_csv(written["output"])["value"]).all()


def test_genes_can_be_encoded_and_some_models_encode_nothing_else(cells, tmp_path):
    for number, (module, options) in enumerate([("vae", {"encode": "genes"}), ("scgen", {}), ("linear_ae", {})]):
        folder = tmp_path / str(number)
        folder.mkdir()
        arguments, metrics = run_steps(cells, folder, module, **options)
        assert "n_inputs" not in arguments and arguments["n_features"] == D and np.isfinite(metrics).all()
    with pytest.raises(Refused, match=r"encode: found 'components' for scgen; allowed: auto, genes"):
        run_steps(cells, tmp_path, "scgen", encode="components")


def test_data_without_counts_are_encoded_as_they_are_unless_it_is_asked(toy, tmp_path):
    options = {"data": "toy.h5ad", "module": "vae"}
    assert "n_inputs" not in run_steps(toy, tmp_path, **options)[0]
    arguments, metrics = run_steps(toy, tmp_path, **options, encode="components")
    assert arguments["n_inputs"] == 16 == arguments["n_features"] and np.isfinite(metrics).all()


def test_a_dataset_without_components_is_refused_in_one_line_if_they_are_needed(cells, tmp_path):
    adata = anndata.read_h5ad(cells / "cells.h5ad")
    del adata.obsm["X_pca"]
    adata.write_h5ad(tmp_path / "bare.h5ad")
    bare = {"data": tmp_path / "bare.h5ad", "module": "vae"}
    with pytest.raises(Refused, match=r"encode: found components, .*X_pca.*; prepare it again"):
        run_steps(cells, tmp_path, **bare)
    assert "n_inputs" not in run_steps(cells, tmp_path, **bare, encode="genes")[0]


def test_labels_that_the_start_does_not_use_change_no_byte(cells, tmp_path):
    """Without the label term the vae has no use of labels: only the balanced start of a conditional decoder has."""
    observe(cells / "cells.h5ad", cells / "none.csv", "none")
    weights = []
    for start, observed in [("data", "observed.csv"), ("data", "none.csv"), ("balanced", "observed.csv")]:
        run_steps(cells, tmp_path, "cvae", observed, training={"start": start})
        weights.append((tmp_path / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_the_start_brings_the_first_epoch_nearer_to_the_data(cells, tmp_path):
    first = {}
    for start in ("data", "zero"):
        run_steps(cells, tmp_path, "vae", training={"start": start, "epochs": 2})
        history = pd.read_csv(tmp_path / "history.csv")
        first[start] = history.loc[history["epoch"] == 1, "reconstruction"].mean()
    assert first["data"] > first["zero"] + 1


def test_seeds_together_equal_seeds_alone_from_the_data_on(cells, tmp_path):
    histories = []
    for seeds in ([0, 1], [1]):
        run_steps(cells, tmp_path, training={"precision": "float64", "start": "balanced"}, seeds=seeds)
        history = pd.read_csv(tmp_path / "history.csv")
        histories.append(history[history["seed"] == 1].select_dtypes("number").reset_index(drop=True))
    assert np.allclose(*histories, rtol=1e-8, atol=0)  # nine digits are written
