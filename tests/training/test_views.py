"""Training with views: phases, seeds, what no label may change, and what is refused."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from support.models import SEEDS, blob_rows, small_model, train_model, viewed_rows

from gmvae.nn.batches import rows_from_dataset
from gmvae.nn.inference import cluster_rows
from gmvae.pipeline.errors import Refused
from gmvae.training.loop import batch_at, epoch_steps, train_to_end
from gmvae.training.refusals import check_views
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

BASE = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "autoencode_epochs": 1, "guide_epochs": 1}
PLAN = Training(**BASE, views=["neighbours", "affine"], information=2.0)
TAKERS = ("gmvae", "gmdvae", "cgmdvae", "vade", "m2")


@pytest.mark.parametrize("module", TAKERS)
def test_a_seed_trained_with_views_alone_is_the_one_among_others(module):
    torch.set_default_dtype(torch.float64)
    try:
        together = train_model(small_model(module), viewed_rows(), PLAN, SEEDS)
        for seed in SEEDS:
            alone = train_model(small_model(module, seeds=[seed]), viewed_rows(1), PLAN, [seed])
            same = together[together["seed"] == seed].reset_index(drop=True)
            numbers = [column for column in same if column != "phase"]
            assert np.allclose(same[numbers], alone[numbers], rtol=0, atol=1e-10, equal_nan=True)
    finally:
        torch.set_default_dtype(torch.float32)


def test_information_is_logged_in_the_free_phase_and_at_most_log_k():
    history = train_model(small_model("gmdvae"), viewed_rows(), PLAN, SEEDS)
    free = history[history["phase"] == "free"]["information"]
    assert len(free) == 4 and free.between(-1e-6, np.log(3) + 1e-6).all()


def test_models_without_components_train_as_without_views():
    plans = Training(**BASE), PLAN
    histories = [train_model(small_model("vae"), viewed_rows(), plan, SEEDS) for plan in plans]
    assert histories[0].equals(histories[1])


def test_information_is_higher_where_it_has_a_weight():
    """In each seed; and close to log K in the seed that starts with a component in every blob."""
    settings = BASE | {"epochs": 80, "autoencode_epochs": 10, "guide_epochs": 10}
    plans = [Training(**settings, views=["neighbours"], information=weight) for weight in (0.0, 20.0)]
    without, weighted = (
        train_model(small_model("gmdvae"), viewed_rows(), plan, SEEDS)["information"].to_numpy()[-2:] for plan in plans
    )
    assert (weighted > without).all() and weighted.max() > 0.95 * np.log(3) > without.max()


def test_permuted_true_labels_do_not_change_an_unsupervised_run_with_views():
    x = viewed_rows().x.numpy()
    histories = []
    for shift in (0, 1):
        adata = anndata.AnnData(x, uns={"likelihood": "normal", "shape": np.array([2, 3])})
        adata.obs["label"] = pd.Categorical((np.arange(60) + shift) % 3)
        rows = rows_from_dataset(adata, np.full(60, -1), 2, 3, torch.device("cpu"))
        assert rows.shape == (2, 3)
        rows = rows._replace(neighbours=viewed_rows().neighbours)
        histories.append(train_model(small_model("gmdvae"), rows, PLAN, SEEDS))
    assert histories[0].equals(histories[1])


def test_views_take_no_number_from_the_order_and_the_noise():
    """So a run without views has the bytes that it had before there were views."""
    batches = []
    for kinds in (None, ("neighbours", "affine")):
        state = TrainingState(small_model("gmdvae"), PLAN, SEEDS)
        steps = epoch_steps(viewed_rows(), PLAN, state.draws, 4, views=kinds)
        batches.append([batch_at(viewed_rows(), block, at, kinds) for _, _, block, at in steps])
    for plain, viewed in zip(*batches, strict=True):
        assert plain.view is None and viewed.view is not None
        assert all(torch.equal(getattr(plain, name), getattr(viewed, name)) for name in ("x", "noise", "index"))


def test_few_labels_are_learned_with_views_and_a_weight_of_100():
    rows = viewed_rows(n=120, labelled=12)
    plan = Training(**(BASE | {"epochs": 60, "batch_size": 32, "guide_epochs": 5}), views=["neighbours"])
    for module in TAKERS:
        model = small_model(module)
        train_to_end(TrainingState(model, plan, SEEDS), rows, plan)
        clusters = cluster_rows(model, rows, None).argmax(-1)
        assert ((clusters == torch.arange(120) % 3).double().mean(1) > 0.95).all(), module


@pytest.mark.parametrize(
    ("kind", "rows", "likelihood", "needed"),
    [
        ("neighbours", blob_rows(), "normal", "the graph of its rows"),
        ("affine", blob_rows(), "normal", "of images"),
        ("thinning", blob_rows(), "normal", "of counts"),
    ],
)
def test_views_that_the_rows_cannot_have_are_refused(kind, rows, likelihood, needed):
    plan = Training(**BASE, views=[kind])
    with pytest.raises(Refused, match=rf"^training\.views: found {kind} for results/data/x\.h5ad; .*{needed}"):
        check_views(small_model("gmdvae"), plan, rows, likelihood, Path("results/data/x.h5ad"))
    check_views(small_model("vae"), plan, rows, likelihood, Path("x"))
    check_views(small_model("gmdvae"), plan, viewed_rows(), "negative_binomial", Path("x"))


def test_thinning_is_refused_where_the_encoder_sees_no_counts():
    rows = blob_rows()
    rows = rows._replace(x=rows.x[:, :2])  # such as principal components
    with pytest.raises(Refused, match=r"^training\.views: found thinning"):
        check_views(small_model("gmdvae"), Training(**BASE, views=["thinning"]), rows, "negative_binomial", Path("x"))
