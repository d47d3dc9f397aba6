"""The steps of a run by hand, from a dataset to metrics: the toy's classes are found, unusual sizes work, and bad input
is refused."""

import json
import re
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest

from gmvae.metrics.evaluate import evaluate
from gmvae.pipeline import plan
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.sources import ROOT
from gmvae.runs.embed import embed
from gmvae.runs.observe import observe
from gmvae.runs.train import train

CONFIG = read_config(ROOT / "config.yaml")
FEW = {"epochs": 2, "batch_size": 64, "learning_rate": 1e-3}


def run_metrics(toy, folder, module="gmdvae", n_components=5, settings=None, training=None, seeds=(0, 1)):
    """The metrics of a run on the toy set."""
    files = {name: folder / f"{name}.csv" for name in ("history", "metrics")}
    inputs = toy / "toy.h5ad", toy / "observed.csv", folder / "weights.safetensors"
    settings = {"n_latent": 4, "n_hidden": 16} if settings is None else settings
    options = files["history"], folder / "provenance.json", module, settings, training or FEW
    train(*inputs, *options, n_components, list(seeds), progress=False)
    embed(*inputs, folder / "latent.h5ad", "toy", module)
    evaluate(folder / "latent.h5ad", files["metrics"], "toy", module)
    return pd.read_csv(files["metrics"])


def test_gmdvae_finds_the_classes_of_the_toy_in_every_seed(toy, tmp_path):
    """Unsupervised, with the study's own settings and seeds."""
    settings, training = (of(CONFIG, "toy", "gmdvae") for of in (plan.model_settings, plan.training_settings))
    metrics = run_metrics(toy, tmp_path, settings=settings, training=training, seeds=plan.seeds(CONFIG))
    accuracy = metrics[(metrics["metric"] == "accuracy") & (metrics["split"] == "test")]["value"]
    assert len(accuracy) == 10 and (accuracy == 1).all()


def test_labels_do_not_reach_an_unsupervised_run(toy, tmp_path):
    """Permuted labels do not change a byte of the weights."""
    adata = anndata.read_h5ad(toy / "toy.h5ad")
    order = np.random.default_rng(0).permutation(adata.n_obs)
    adata.obs["label"] = adata.obs["label"].to_numpy()[order]
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    adata.obs["label"] = adata.obs["label"].astype("category")
    adata.write_h5ad(shuffled / "toy.h5ad")
    observe(shuffled / "toy.h5ad", shuffled / "observed.csv", "none")
    for source, folder in (toy, tmp_path / "a"), (shuffled, tmp_path / "b"):
        folder.mkdir()
        run_metrics(source, folder, training=FEW | {"autoencode_epochs": 1, "guide_epochs": 1})
    assert (tmp_path / "a/weights.safetensors").read_bytes() == (tmp_path / "b/weights.safetensors").read_bytes()


def test_one_component_works(toy, tmp_path):
    metrics = run_metrics(toy, tmp_path, n_components=1)
    test = metrics[metrics["split"] == "test"].set_index("metric")["value"]
    assert (test["occupancy"] == 1).all() and np.allclose(test["kl_y"], 0) and np.allclose(test["kl_d"], 0)
    assert "accuracy" not in test.index and (test["purity"] < 0.5).all()


def test_a_batch_larger_than_the_data_works(toy, tmp_path):
    metrics = run_metrics(toy, tmp_path, module="vae", training=FEW | {"batch_size": 10**6})
    assert np.isfinite(metrics["value"]).all()


def test_views_are_of_the_training_alone(toy, tmp_path):
    """The toy's rows as images of 4 rows of pixels: the history has the information, the metrics have not."""
    adata = anndata.read_h5ad(toy / "toy.h5ad")
    adata.uns["shape"] = np.array([4, adata.n_vars // 4])
    adata.write_h5ad(tmp_path / "toy.h5ad")
    (tmp_path / "observed.csv").write_bytes((toy / "observed.csv").read_bytes())
    metrics = run_metrics(tmp_path, tmp_path, training=FEW | {"views": ["affine"], "information": 5})
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["information"].gt(0).all() and "information" not in set(metrics["metric"])


def run_command(toy, folder, **changes):
    """The process of `python -m gmvae.runs.train` with some options changed; None leaves an option's values out."""
    options = {
        "data": toy / "toy.h5ad",
        "observed": toy / "observed.csv",
        "weights": folder / "weights.safetensors",
        "history": folder / "history.csv",
        "provenance": folder / "provenance.json",
        "module": "vae",
        "settings": "{}",
        "training": json.dumps(FEW),
        "n-components": 5,
        "seeds": 0,
    } | changes
    values = [
        part for name, value in options.items() for part in (f"--{name}", *([] if value is None else [str(value)]))
    ]
    return subprocess.run([sys.executable, "-m", "gmvae.runs.train", *values], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": None}, "seeds"),
        ({"data": "missing.h5ad"}, r"missing\.h5ad"),
        ({"training": json.dumps(FEW | {"batch_size": 0})}, "batch_size.* 0"),
        ({"device": "tpu"}, "device: .*'tpu'.*cuda"),
        ({"n-components": 0}, "n_components: .*0"),
        ({"settings": '{"n_laten": 3}'}, "n_laten"),
    ],
)
def test_bad_options_are_refused_in_one_line_and_leave_nothing(toy, tmp_path, changes, message):
    process = run_command(toy, tmp_path, **changes)
    lines = process.stderr.strip().splitlines()
    assert process.returncode != 0 and len(lines) == 1 and lines[0].startswith("error: "), process.stderr
    assert re.search(message, lines[0])
    assert not list(tmp_path.iterdir())


def test_a_truncated_data_set_is_refused(toy, tmp_path):
    broken = tmp_path / "in"
    broken.mkdir()
    whole = (toy / "toy.h5ad").read_bytes()
    (broken / "toy.h5ad").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    out.mkdir()
    process = run_command(toy, out, data=broken / "toy.h5ad")
    assert process.returncode != 0 and "toy.h5ad" in process.stderr and len(process.stderr.strip().splitlines()) == 1
    assert not list(out.iterdir())
