"""Seeds that end early, by patience or by divergence, stay as they were; the others are not affected."""

import itertools

import numpy as np
import pytest
import torch
from anndata import AnnData
from scipy.sparse import csr_matrix
from support.models import MODELS, SEEDS, D, K, blob_rows, small_model, train_model

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.nn.batches import rows_from_dataset
from gmvae.training.loop import train_to_end
from gmvae.training.schedule import Training
from gmvae.training.state import SeedStatus, TrainingState

PLAN = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "autoencode_epochs": 1, "guide_epochs": 1}
SIX = list(range(6))


def end_state(module, training, seeds=SEEDS, rows=None, change=lambda model: None, likelihood="normal"):
    """The state at the end of a run; `change` changes the model before it."""
    model = small_model(module, likelihood, seeds=seeds)
    change(model)
    state = TrainingState(model, training, seeds)
    train_to_end(state, blob_rows(n_seeds=len(seeds)) if rows is None else rows, training)
    return state


def seed_part(state, s):
    """All tensors of the seed at this position, and its history."""
    tensors = {name: tensor[s] for name, tensor in state.tensors().items() if tensor.dim() > 1}
    return tensors, [line for line in state.history if line["seed"] == state.seeds[s]]


def equal_parts(first, second):
    """Whether two outcomes of `seed_part` are the same to the bit."""
    tensors, history = first
    equal = all(torch.equal(tensor, second[0][name]) for name, tensor in tensors.items())
    return equal and tensors.keys() == second[0].keys() and history == second[1]


@pytest.mark.parametrize("module", MODELS)
def test_tensors_of_two_axes_or_more_have_the_seeds_first(module):
    """By this rule the tensors of one seed are known in every model."""
    two, three = (
        TrainingState(small_model(module, seeds=seeds), Training(**PLAN), seeds).tensors()
        for seeds in ([1, 2], [1, 2, 3])
    )
    for name, tensor in two.items():
        if tensor.dim() > 1:
            assert (tensor.shape[0], three[name].shape[0]) == (2, 3), name
            assert tensor.shape[1:] == three[name].shape[1:], name
        else:
            assert tensor.shape == three[name].shape, name


# --------------------------------------------------------------------------------------------------------- patience


def test_a_seed_finishes_after_so_many_epochs_without_a_better_one():
    status = SeedStatus()
    for epoch, reached in enumerate([1.0, 3.0, 2.0, 3.0, 4.0, 3.0, 3.9, 4.0], start=1):
        assert not status.ended
        status.record_objective(reached, 3, epoch)
    assert (status.ended, status.epoch, status.best) == ("finished", 8, 4.0)


def test_patience_counts_when_nothing_but_the_objective_drives_the_epoch():
    plan = Training(**PLAN, kl_warmup_epochs=3)
    assert [plan.patience_counts(epoch) for epoch in range(6)] == [False] * 4 + [True] * 2
    assert [Training(**PLAN).patience_counts(epoch) for epoch in range(4)] == [False, False, True, True]
    assert [Training(**PLAN, warmup_epochs=3).patience_counts(epoch) for epoch in range(4)] == [
        False,
        False,
        False,
        True,
    ]


def test_a_run_whose_objective_only_falls_ends_after_its_patience():
    def falling(model):
        terms, calls = model.terms, itertools.count()
        model.terms = lambda batch: {name: value - 100 * next(calls) for name, value in terms(batch).items()}

    plan = Training(epochs=20, batch_size=16, learning_rate=0.01, autoencode_epochs=2, patience=3)
    state = end_state("ae", plan, change=falling)
    assert [len(seed_part(state, s)[1]) for s in range(2)] == [2 + 1 + 3] * 2
    assert [status.ended for status in state.statuses] == ["finished"] * 2


@pytest.mark.parametrize("module", ["vae", "idec", "scgen", "gmdvae"])
def test_a_finished_seed_stays_as_it_is_and_the_others_train_on_as_without(module):
    """The seed's weights and moments are those of a run that ended then; the others' those of one without patience."""
    plan = {"epochs": 30, "batch_size": 16, "learning_rate": 0.03, "autoencode_epochs": 1, "guide_epochs": 1}
    state = end_state(module, Training(**plan, patience=2), SIX)
    ends = [len(seed_part(state, s)[1]) for s in range(6)]
    assert len(set(ends)) > 2 and min(ends) < 30  # some finish before others
    for end in set(ends):
        shorter = end_state(module, Training(**(plan | {"epochs": end})), SIX)
        for s in range(6):
            if ends[s] == end:
                assert equal_parts(seed_part(state, s), seed_part(shorter, s)), (s, end)


def test_a_seed_finishes_among_others_in_the_epoch_in_which_it_does_alone():
    torch.set_default_dtype(torch.float64)
    try:
        plan = Training(epochs=30, batch_size=16, learning_rate=0.03, patience=2, weight_decay=0.1, clip=1.0)
        together = end_state("vae", plan, SIX)
        for s in SIX:
            alone = end_state("vae", plan, [s])
            assert alone.statuses[0].epoch == together.statuses[s].epoch
            for name, tensor in seed_part(alone, 0)[0].items():
                assert torch.allclose(tensor, seed_part(together, s)[0][name], rtol=0, atol=1e-9), name
    finally:
        torch.set_default_dtype(torch.float32)


def test_patience_watches_the_model_s_own_objective():
    """scGen's divergence is nearly free: its ELBO may fall for long while what it maximises rises."""
    plan = Training(epochs=12, batch_size=16, learning_rate=0.01, patience=1)
    for module, weight in ("scgen", 5e-5), ("vae", 1.0):
        state = end_state(module, plan)
        for s in range(2):
            history = seed_part(state, s)[1]
            reached = [line["reconstruction"] - weight * line["kl_z"] for line in history]
            assert state.statuses[s].best == pytest.approx(max(reached), rel=1e-6)


# ------------------------------------------------------------------------------------------------------- divergence


def poison(call, factor, s=0):
    """A change of a model: the last term of one seed is multiplied by `factor` in training step `call`."""

    def change(model):
        terms, calls = model.terms, itertools.count()

        def poisoned(batch):
            values = terms(batch)
            if model.training and next(calls) == call:
                name, one = list(values)[-1], (torch.arange(len(batch.x)) == s).unsqueeze(1)
                values[name] = (values[name] + 1e-3 * one) * torch.where(one, factor, 1.0)  # others: + 0 and times 1
            return values

        model.terms = poisoned

    return change


MADE_AT_THE_END = {
    ("scgen", "model.delta"),
    ("gmdvae_shared", "model.a"),
}  # from the last good weights


@pytest.mark.parametrize("call", [1, 14], ids=["while autoencoding", "while free"])
@pytest.mark.parametrize("module", MODELS)
def test_a_diverged_seed_keeps_its_last_good_state_and_the_others_train_on_as_without(module, call):
    """4 steps an epoch; what comes after, as k-means of all latents, meets no number that is not finite."""
    plan, epoch = Training(**PLAN), call // 4
    state = end_state(module, plan, change=poison(call, float("nan")))
    whole = end_state(module, plan)
    assert equal_parts(seed_part(state, 1), seed_part(whole, 1))
    assert state.statuses[0].ended == "diverged" and not state.statuses[1].ended
    before = TrainingState(small_model(module), plan, SEEDS)
    if epoch:
        stop_after(before, plan, epoch)
    tensors, history = seed_part(state, 0)
    for name, tensor in seed_part(before, 0)[0].items():
        if (module, name) not in MADE_AT_THE_END and name != "model.p.log_variance":
            assert torch.equal(tensors[name], tensor), name
    assert history == seed_part(before, 0)[1] and len(history) == epoch


@pytest.mark.parametrize("likelihood", COUNT_LIKELIHOODS)
def test_a_diverged_seed_does_not_touch_the_others_where_counts_are_sparse(likelihood):
    counts = np.random.default_rng(0).poisson(0.7, (60, D))
    adata = AnnData(np.log1p(counts).astype(np.float32), layers={"counts": csr_matrix(counts.astype(np.float32))})
    adata.uns["likelihood"] = likelihood
    rows = rows_from_dataset(adata, np.full(60, -1), 2, K, torch.device("cpu"))
    plan = Training(**PLAN)
    state = end_state("gmdvae", plan, rows=rows, change=poison(6, float("nan")), likelihood=likelihood)
    assert [one["term"] for one in state.diverged_seeds()] == ["label"]
    assert equal_parts(seed_part(state, 1), seed_part(end_state("gmdvae", plan, rows=rows, likelihood=likelihood), 1))


def stop_after(state, plan, epochs):
    """Train until so many epochs are done."""

    def after_step(steps):
        if state.epoch == epochs:
            raise StopIteration

    with pytest.raises(StopIteration):
        train_to_end(state, blob_rows(), plan, after_step)
    for s in range(len(state.seeds)):
        state.statuses[s].record_divergence("", 0)
    state.restore_ended_seeds()


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), -float("inf"), 1e14])
def test_the_term_that_diverged_first_is_named_though_others_follow(factor):
    state = end_state("gmvae", Training(**PLAN), change=poison(10, factor))
    assert state.diverged_seeds() == [{"seed": SEEDS[0], "epoch": 3, "term": "label"}]


def test_a_long_epoch_is_checked_in_parts():
    """300 steps, more than are looked at together; the term is found among many."""
    plan = Training(epochs=2, batch_size=1, learning_rate=1e-3)
    state = end_state("vae", plan, rows=blob_rows(n=150), change=poison(100, float("nan")))
    assert state.diverged_seeds() == [{"seed": SEEDS[0], "epoch": 1, "term": "kl_z"}]
    assert len(seed_part(state, 0)[1]) == 0 and len(seed_part(state, 1)[1]) == 2


def test_bad_weights_after_the_last_step_of_an_epoch_are_noticed():
    plan = Training(**PLAN)
    state = TrainingState(small_model("vae"), plan, SEEDS)

    def after_step(steps):
        if state.epoch == 2 and state.step == steps:
            state.tensors()["model.decoder.0.weight"][1, 0, 0] = torch.inf

    train_to_end(state, blob_rows(), plan, after_step)
    assert state.diverged_seeds() == [{"seed": SEEDS[1], "epoch": 3, "term": "weights"}]
    assert all(tensor.isfinite().all() for tensor in state.tensors().values())


def test_a_run_ends_when_no_seed_is_left():
    state = end_state("vae", Training(**(PLAN | {"epochs": 1000, "learning_rate": 1e12})))
    assert len(state.diverged_seeds()) == 2 and state.epoch < 10


def test_no_seed_stops_early_by_default():
    table = train_model(
        small_model("vae"), blob_rows(), Training(**(PLAN | {"epochs": 50, "learning_rate": 0.1})), SEEDS
    )
    assert list(table["epoch"]) == [epoch for epoch in range(1, 51) for _ in SEEDS]
