"""The steps of a run by hand, from a data set to metrics: the toy's classes are found, the odd sizes work, the rest is
refused."""

import json
import subprocess
import sys

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


def measured(toy, folder, module="gmdvae", n_components=5, settings=None, training=None, seeds=(0, 1)):
    """The metrics of a run on the toy set."""
    files = {name: folder / f"{name}.csv" for name in ("history", "metrics")}
    inputs = toy / "toy.h5ad", toy / "observed.csv", folder / "weights.safetensors"
    chosen = {"n_latent": 4, "n_hidden": 16} if settings is None else settings
    made = files["history"], folder / "provenance.json", module, chosen, training or FEW
    train(*inputs, *made, n_components, list(seeds), progress=False)
    embed(*inputs, folder / "latent.h5ad", "toy", module)
    evaluate(folder / "latent.h5ad", files["metrics"], "toy", module)
    return pd.read_csv(files["metrics"])


def test_gmdvae_finds_the_toy_s_classes_in_every_seed(toy, tmp_path):
    """Unsupervised, with the study's own settings and seeds."""
    settings, training = (of(CONFIG, "toy", "gmdvae") for of in (plan.model_settings, plan.training_settings))
    found = measured(toy, tmp_path, settings=settings, training=training, seeds=plan.seeds(CONFIG))
    accuracy = found[(found["metric"] == "accuracy") & (found["split"] == "test")]["value"]
    assert len(accuracy) == 10 and (accuracy == 1).all()


def test_labels_do_not_reach_an_unsupervised_run(toy, tmp_path):
    """Permuted labels leave the weights as they are, to the byte."""
    import anndata

    adata = anndata.read_h5ad(toy / "toy.h5ad")
    order = np.random.default_rng(0).permutation(adata.n_obs)
    adata.obs["label"] = adata.obs["label"].to_numpy()[order]
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    adata.obs["label"] = adata.obs["label"].astype("category")
    adata.write_h5ad(shuffled / "toy.h5ad")
    observe(shuffled / "toy.h5ad", shuffled / "observed.csv", "none")
    for of, folder in (toy, tmp_path / "a"), (shuffled, tmp_path / "b"):
        folder.mkdir()
        measured(of, folder, training=FEW | {"autoencode_epochs": 1, "guide_epochs": 1})
    assert (tmp_path / "a/weights.safetensors").read_bytes() == (tmp_path / "b/weights.safetensors").read_bytes()


def test_one_component_works(toy, tmp_path):
    found = measured(toy, tmp_path, n_components=1)
    test = found[found["split"] == "test"].set_index("metric")["value"]
    assert (test["occupancy"] == 1).all() and np.allclose(test["kl_y"], 0) and np.allclose(test["kl_d"], 0)
    assert "accuracy" not in test.index and (test["purity"] < 0.5).all()


def test_a_batch_larger_than_the_data_works(toy, tmp_path):
    found = measured(toy, tmp_path, module="vae", training=FEW | {"batch_size": 10**6})
    assert np.isfinite(found["value"]).all()


def command(toy, folder, **changes):
    """`python -m gmvae.runs.train` with these options changed; a value of None leaves its values out."""
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
    ("changes", "named"),
    [
        ({"seeds": None}, "seeds: found none"),
        ({"data": "missing.h5ad"}, "missing.h5ad"),
        ({"training": json.dumps(FEW | {"batch_size": 0})}, "batch_size 0"),
        ({"device": "tpu"}, "device: found 'tpu'; allowed: auto, cpu, cuda"),
        ({"n-components": 0}, "n_components: found 0"),
        ({"settings": '{"n_laten": 3}'}, "n_laten"),
    ],
)
def test_bad_options_are_refused_in_one_line_and_leave_nothing(toy, tmp_path, changes, named):
    run = command(toy, tmp_path, **changes)
    lines = run.stderr.strip().splitlines()
    assert run.returncode != 0 and len(lines) == 1 and lines[0].startswith("error: ") and named in lines[0], run.stderr
    assert not list(tmp_path.iterdir())


def test_a_truncated_data_set_is_refused(toy, tmp_path):
    broken = tmp_path / "in"
    broken.mkdir()
    whole = (toy / "toy.h5ad").read_bytes()
    (broken / "toy.h5ad").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    out.mkdir()
    run = command(toy, out, data=broken / "toy.h5ad")
    assert run.returncode != 0 and "toy.h5ad" in run.stderr and len(run.stderr.strip().splitlines()) == 1
    assert not list(out.iterdir())
