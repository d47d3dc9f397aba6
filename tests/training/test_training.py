"""The loss, the schedule, clipping, phases, and what a run refuses."""

import math

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from support.models import MODELS, blob_rows, small_model, train_model

from gmvae.nn.batches import Batch, one_hot, rows_from_dataset
from gmvae.nn.inference import cluster_rows
from gmvae.nn.objective import elbo, loss
from gmvae.nn.random_streams import derive_key, draw_normals, make_generators
from gmvae.pipeline.errors import Refused
from gmvae.runs.train import check_training
from gmvae.training.guide import kmeans_labels
from gmvae.training.loop import clip_gradients, train_to_end
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

TERMS = {
    name: torch.tensor([[value] * 4]) for name, value in {"reconstruction": -3.0, "kl_z": 2.0, "kl_w": 0.5}.items()
}
BASE = {"epochs": 10, "batch_size": 8, "learning_rate": 0.01}


def batch_of_weights(weight, labelled):
    """A batch of which the loss needs the weights and labels only."""
    empty = torch.zeros(1, len(weight), 0)
    label = one_hot(torch.tensor([labelled]) - 1, 1)
    return Batch(empty, empty, empty, label, empty, torch.tensor([weight]), torch.zeros(1, len(weight)))


def test_elbo_has_all_weights_one_and_no_label():
    assert torch.equal(elbo(TERMS | {"label": torch.full((1, 4), -9.0)}), torch.full((1, 4), -5.5))


def test_loss_weighs_terms_and_rows():
    """Row 0 is labelled, 1 and 2 are labelled and repeated, 3 is not labelled, 4 fills the batch."""
    terms = {
        "reconstruction": torch.tensor([[-3.0, -1.0, -1.0, 2.0, 50.0]]),
        "kl_z": torch.tensor([[2.0, 1.0, 1.0, 0.5, 50.0]]),
        "label": torch.tensor([[-1.0, -4.0, -6.0, 0.0, -50.0]]),
        "information": torch.full((1, 5), 0.7),
    }
    batch = batch_of_weights([1.0, 0.5, 0.5, 1.0, 0.0], labelled=[1, 1, 1, 0, 1])
    rows = ((-3.0 - 0.2) + (-1.0 - 0.1) + (2.0 - 0.05)) / 3
    expected = -(rows + 2.0 * (-1.0 + (-4.0 - 6.0) / 2) / 2 + 10.0 * 0.7)
    assert float(loss(terms, batch, 0.1, 2.0, 10.0)) == pytest.approx(expected)


def test_a_batch_without_labels_has_no_label_term():
    batch = batch_of_weights([1.0] * 4, labelled=[0] * 4)
    label = {"label": torch.zeros(1, 4)}
    assert torch.equal(loss(TERMS | label, batch, 1.0, 100.0), loss(TERMS, batch, 1.0, 0.0))


@pytest.mark.parametrize("n_hidden", [0, 3, 30])
def test_the_gradient_of_the_labels_does_not_depend_on_the_share_of_labelled_rows(n_hidden):
    label = torch.cat([torch.tensor([[-1.0, -2.0]]), torch.zeros(1, n_hidden)], 1).requires_grad_()
    batch = batch_of_weights([1.0] * (2 + n_hidden), labelled=[1, 1] + [0] * n_hidden)
    loss({"reconstruction": torch.zeros(1, 2 + n_hidden), "label": label}, batch, 1.0, 100.0).sum().backward()
    assert torch.allclose(label.grad[:, :2], torch.full((1, 2), -50.0)) and not label.grad[:, 2:].any()


def test_cosine_falls_from_the_rate_to_zero():
    plan = Training(**BASE, schedule="cosine")
    assert plan.learning_rate_at(0) == pytest.approx(0.01)
    assert plan.learning_rate_at(0.5) == pytest.approx(0.005)
    assert plan.learning_rate_at(1) == pytest.approx(0)


def test_one_cycle_rises_then_falls():
    plan = Training(**BASE, schedule="one_cycle")
    rates = [plan.learning_rate_at(done) for done in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(0.01) and rates.index(max(rates)) == 30
    assert rates[:31] == sorted(rates[:31]) and rates[30:] == sorted(rates[30:], reverse=True)


def test_warm_up_rises_to_a_constant_rate():
    plan = Training(**BASE, warmup_epochs=5)
    assert plan.learning_rate_at(0.25) == pytest.approx(0.005)
    assert plan.learning_rate_at(0.5) == plan.learning_rate_at(0.9) == 0.01


def test_phases_and_kl_weight_follow_each_other():
    plan = Training(**BASE, autoencode_epochs=2, guide_epochs=3, kl_warmup_epochs=3)
    assert [plan.phase(e) for e in range(7)] == ["autoencode"] * 2 + ["guide"] * 3 + ["free"] * 2
    assert [plan.kl_weight(e) for e in range(7)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_the_labels_of_the_guide_phase_have_a_weight_of_their_own():
    plan = Training(**BASE, label_weight=30, guide_weight=5)
    assert [plan.label_weight_in(phase) for phase in ("autoencode", "guide", "free")] == [30, 5, 30]


def test_neighbours_come_in_the_free_phase_and_no_view_before_a_class_is_taught():
    plan = Training(**BASE, views=["affine", "neighbours"])
    assert plan.views_in("autoencode", False) is None
    assert plan.views_in("autoencode", True) == plan.views_in("guide", True) == ("affine",)
    assert plan.views_in("free", False) == ("neighbours", "affine")


def test_without_views_the_information_needs_the_row_drawn_anew():
    phases = ("autoencode", "guide", "free")
    assert [Training(**BASE).views_in(phase, True) for phase in phases] == [None] * 3
    assert [Training(**BASE, information=5).views_in(phase, True) for phase in phases] == [None, None, ()]


def test_clipping_is_per_seed_and_keeps_the_direction():
    model = small_model("vae")
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape) * torch.tensor([1e-4, 10.0]).view(-1, 1, 1)
    before = torch.cat([p.grad.flatten(1) for p in model.parameters()], 1)
    clip_gradients(model, 1.0)
    after = torch.cat([p.grad.flatten(1) for p in model.parameters()], 1)
    assert torch.equal(before[0], after[0])
    assert float(after[1].norm()) == pytest.approx(1.0, rel=1e-5)
    assert torch.allclose(after[1], before[1] / before[1].norm(), atol=1e-6)


def test_guide_is_k_means_of_the_latent():
    """A linear identity encoder: the latent is the data, whose blobs k-means must find."""
    model, rows = small_model("ae", n_layers=0, n_latent=6), blob_rows()
    for s in range(2):
        model.encoder[0].weight.data[s] = torch.eye(6)
    clusters = kmeans_labels(model, rows, [3, 11])
    for s in range(2):
        pairs = {(int(a), int(b)) for a, b in zip(clusters[s], torch.arange(60) % 3, strict=True)}
        assert len(pairs) == 3


def test_permuted_true_labels_do_not_change_an_unsupervised_run():
    """Its rows show no label, so neither the guide nor anything else can depend on one."""
    x = blob_rows().x.numpy()
    histories = []
    for shift in (0, 1):
        adata = anndata.AnnData(x, uns={"likelihood": "normal"})
        adata.obs["label"] = pd.Categorical((np.arange(60) + shift) % 3)
        rows = rows_from_dataset(adata, np.full(60, -1), 2, 3, torch.device("cpu"))
        plan = Training(**(BASE | {"epochs": 3}), autoencode_epochs=1, guide_epochs=1)
        histories.append(train_model(small_model("gmdvae"), rows, plan, [3, 11]))
    assert histories[0].equals(histories[1])


@pytest.mark.parametrize("module", MODELS)
def test_guide_labels_exist_in_the_guide_phase_of_models_with_components_only(module):
    plan = Training(**(BASE | {"epochs": 3}), autoencode_epochs=1, guide_epochs=1)
    model = small_model(module)
    state, guided = TrainingState(model, plan, [3, 11]), set()

    def after_step(steps):
        guided.add((plan.phase(state.epoch), state.label is not None))

    train_to_end(state, blob_rows(), plan, after_step)
    assert guided == {("autoencode", False), ("guide", model.has_components), ("free", False)}


def test_optimal_variance_is_frozen_at_the_mean_squared_error():
    rows, plan = blob_rows(), Training(**(BASE | {"epochs": 2}))
    model = small_model("ae", variance="optimal")
    train_model(model, rows, plan, [3, 11])
    with torch.no_grad():
        errors = (model.decoder(model.encoder(rows.x.expand(2, -1, -1))) - rows.x).square().mean((1, 2))
    assert torch.allclose(model.p.log_variance.flatten().exp(), errors, rtol=1e-4)


def test_labels_are_learned_from_few():
    """Semi-supervised: with a tenth of the labels component k becomes class k."""
    rows = blob_rows(n=120, labelled=12)
    plan = Training(**(BASE | {"epochs": 80, "batch_size": 32}), autoencode_epochs=30, guide_epochs=20)
    model = small_model("gmdvae")
    train_model(model, rows, plan, [3, 11])
    clusters = cluster_rows(model, rows, None).argmax(-1)
    assert ((clusters == torch.arange(120) % 3).double().mean(1) > 0.95).all()


def test_random_streams_depend_on_seed_and_purpose_only():
    assert derive_key(1, "init") != derive_key(1, "noise") != derive_key(2, "noise")
    together = draw_normals(make_generators([1, 2], "noise"), 1000)
    assert torch.equal(together[1], draw_normals(make_generators([2], "noise"), 1000)[0])
    assert abs(float(torch.corrcoef(together)[0, 1])) < 5 / math.sqrt(1000)


@pytest.mark.parametrize(
    ("change", "key", "shown"),
    [
        ({"schedule": "linear"}, "training.schedule", '"linear"'),
        ({"precision": "float8"}, "training.precision", '"float8"'),
        ({"diverged": "ignore"}, "training.diverged", '"ignore"'),
        ({"batch_size": 0}, "training.batch_size", "found 0"),
        ({"epochs": 3.0}, "training.epochs", "found 3.0"),
        ({"epoch": 3}, "training.epoch", "unknown key"),
    ],
)
def test_bad_training_settings_are_refused(change, key, shown):
    with pytest.raises(Refused) as refusal:
        check_training(BASE | change)
    message = str(refusal.value)
    assert f"{key}: " in message and shown in message and "\n" not in message


@pytest.mark.parametrize("key", ["epochs", "batch_size", "learning_rate"])
def test_a_training_setting_without_a_default_must_be_given(key):
    with pytest.raises(Refused, match=rf"training\.{key}: found nothing"):
        check_training({name: value for name, value in BASE.items() if name != key})
