"""Only values that mean the same are compared, and a whole divergence is the sum of its parts."""

import pandas as pd
import pytest

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.comparable import add_divergences, check_comparable

KINDS = {
    "vae": "vae",
    "mix": "gmdvae",
    "mix_plain": "gmdvae",
    "told": "cgmdvae",
    "vade": "vade",
    "gm": "gmvae",
    "near": "scgen",
}
PARTS = {
    "vae": {"kl_z": 9.0},
    "mix": {"kl_z": 5.0, "kl_y": 2.0, "kl_d": 0.5, "kl_w": 0.5},
    "mix_plain": {"kl_z": 5.5, "kl_y": 2.0, "kl_d": 0.5, "kl_w": 0.5},
    "told": {"kl_z": 5.0, "kl_y": 2.0, "kl_d": 0.5, "kl_w": 0.5},
    "vade": {"kl_z": 6.0, "kl_y": 2.0},
    "near": {"kl_z": 90.0},
    "gm": {"kl_z": 6.0, "kl_y": 2.0, "kl_w": 1.0},
}
COLUMNS = ["task", "model", "seed", "split", "metric", "value"]


def metrics() -> pd.DataFrame:
    rows = [
        ("t", model, seed, "test", metric, value)
        for model, parts in PARTS.items()
        for seed in (0, 1)
        for metric, value in {**parts, "reconstruction": -50.0, "elbo": -50.0 - sum(parts.values())}.items()
    ]
    rows += [("t", "idec", 0, "test", "kl_cluster", 0.3), ("t", "half", 0, "test", "kl_z", 3.0)]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize(
    ("models", "metric", "remedy"),
    [
        (["mix", "vae"], "kl_z", "divergence"),
        (["mix", "gm"], "kl_w", "divergence"),
        (["mix", "vade"], "kl_y", "divergence"),
        (["mix", "vae"], "objective", "bound"),
        (["mix", "vae"], "reconstruction", "bound"),
        (["told", "mix"], "bound", "given its condition"),
        (["told", "mix"], "divergence", "given its condition"),
        (["told", "vae"], "elbo", "given its condition"),
        (["near", "vae"], "bound", "variance that it was not trained for"),
    ],
)
def test_metrics_that_do_not_mean_the_same_are_refused(models, metric, remedy):
    with pytest.raises(Refused, match=rf"{metric} .*{remedy}"):
        check_comparable(metrics(), "t", metric, models, KINDS)


@pytest.mark.parametrize(
    ("models", "metric"),
    [
        (["mix", "vae"], "divergence"),
        (["mix", "vae"], "bound"),
        (["mix", "mix_plain"], "kl_z"),
        (["mix", "mix_plain"], "reconstruction"),
        (["told", "mix"], "ari"),
        (["near", "vae"], "divergence"),
    ],
)
def test_metrics_that_mean_the_same_are_compared(models, metric):
    check_comparable(metrics(), "t", metric, models, KINDS)


def test_a_whole_divergence_is_what_the_elbo_takes_from_the_reconstruction():
    table = add_divergences(metrics())
    wide = table.pivot_table(index=["model", "seed"], columns="metric", values="value")
    of_elbos = wide.dropna(subset=["elbo"])
    assert (of_elbos.reconstruction - of_elbos.elbo - of_elbos.divergence).abs().max() < 1e-12
    assert wide.divergence.isna().equals(wide.elbo.isna())  # a clustering loss alone is no divergence of an ELBO


@pytest.mark.parametrize("study", ["embedded", "full"])
def test_the_real_runs_have_divergences_that_complete_their_elbos(study):
    table = add_divergences(pd.read_csv(ROOT / "results/reference" / study / "metrics.csv"))
    wide = table.pivot_table(index=["task", "model", "seed", "split"], columns="metric", values="value")
    wide = wide.dropna(subset=["elbo", "divergence"])
    assert len(wide) > 100
    assert ((wide.reconstruction - wide.elbo - wide.divergence) / wide.elbo.abs()).abs().max() < 1e-5
