"""A replayed step gives the bytes of a plain one, and a step reads nothing back from the device."""

import pytest
import torch
from support.models import MODELS, SEEDS, small_batch, small_model, viewed_rows
from torch.utils._python_dispatch import TorchDispatchMode

from gmvae.nn import likelihoods
from gmvae.nn.batches import Rows
from gmvae.nn.row_storage import CsrLayout, CsrRows
from gmvae.training import graph_capture, loop
from gmvae.training.graph_capture import is_replayable, place_rows
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

aten = torch.ops.aten
READS = {aten._local_scalar_dense, aten.nonzero, aten.is_nonzero, aten.equal, aten.masked_select, aten.unique_dim}
TRAINING = Training(epochs=3, batch_size=10, learning_rate=1e-2, clip=1.0, kl_warmup_epochs=1)


class ReadGuard(TorchDispatchMode):
    """Fails at each operation that makes the processor wait for a value of the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        masks = function is aten.index.Tensor and any(i is not None and i.dtype == torch.bool for i in args[1])
        assert function.overloadpacket not in READS and not masks, f"{function} reads a value"
        return function(*args, **(kwargs or {}))


def toy_rows(n=32, n_features=6):
    """Dense rows with a label on every fourth."""
    x = torch.rand(n, n_features, generator=torch.Generator().manual_seed(0))
    label = torch.where(torch.arange(n) % 4 == 0, torch.arange(n) % 3, -1)
    return Rows(x, x, torch.arange(n) % 2, label.expand(len(SEEDS), -1), 2, 3)


def train(monkeypatch, module, replayed):
    """The state after training, and how often a step was captured."""
    captures = []

    def capture(function):
        captures.append(function)
        return function

    if replayed:
        monkeypatch.setattr(graph_capture, "is_replayable", lambda *_: True)
        monkeypatch.setattr(graph_capture, "capture_on_gpu", capture)
    state = TrainingState(small_model(module), TRAINING, SEEDS)
    loop.train_to_end(state, toy_rows(), TRAINING)
    monkeypatch.undo()
    return state, len(captures)


@pytest.mark.parametrize("module", ["vae", "gmdvae", "cgmdvae", "vade", "m2"])
def test_replayed_epochs_give_the_bytes_of_plain_ones_and_capture_only_what_changed(monkeypatch, module):
    plain, _ = train(monkeypatch, module, replayed=False)
    replayed, captures = train(monkeypatch, module, replayed=True)
    assert captures == 2  # the weight of the divergences changes after the first epoch
    assert plain.history == replayed.history
    others = replayed.tensors()
    assert all(torch.equal(tensor, others[name]) for name, tensor in plain.tensors().items())


@pytest.mark.parametrize("likelihood", ["normal", "bernoulli", "negative_binomial", "zero_inflated_negative_binomial"])
@pytest.mark.parametrize("module", MODELS)
def test_a_step_reads_nothing_back(monkeypatch, module, likelihood):
    monkeypatch.setattr(likelihoods, "has_static_form", lambda x: not x.is_sparse)
    state = TrainingState(small_model(module, likelihood), TRAINING, SEEDS)
    state.model.initialise(toy_rows(), SEEDS) if likelihood == "normal" else None
    batch, names = small_batch(state.model, likelihood=likelihood, labelled=True), []
    with ReadGuard():
        values = loop.step_once(
            state, TRAINING, lambda terms, batch: loop.loss(terms, batch, 1.0, 1.0), 5, names, batch
        )
    assert values.shape == (len(names), len(SEEDS)) and values.isfinite().all()


@pytest.mark.parametrize("views", [None, ("neighbours", "affine")])
def test_a_batch_is_made_without_a_read(views):
    rows, state = viewed_rows(labelled=20), TrainingState(small_model("gmdvae"), TRAINING, SEEDS)
    _, _, block, _ = next(loop.epoch_steps(rows, TRAINING, state.draws, 4, views=views))
    for step in range(2):
        plain = loop.batch_at(rows, block, step, views)
        with ReadGuard():
            replayed = loop.batch_at(rows, block, torch.tensor([step]), views)
        for one, other in ((plain, replayed), (plain.view or (), replayed.view or ())):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True) if isinstance(a, torch.Tensor))


def test_the_guard_sees_a_read():
    for read in (lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: bool(x.sum() > 0), lambda x: x.nonzero()):
        with pytest.raises(AssertionError, match="reads a value"), ReadGuard():
            read(torch.ones(3))


def test_rows_become_dense_where_they_fit_and_the_cpu_keeps_its_plain_step():
    layout = CsrLayout(torch.tensor([0, 2, 2]), torch.tensor([2, 0, 1]), torch.tensor([0, 3, 1], dtype=torch.int32), 4)
    counts = CsrRows(layout, torch.tensor([5, 1, 2], dtype=torch.uint8))
    logs = CsrRows(layout, torch.tensor([0.5, 0.25, 2.0]))
    rows = Rows(logs, counts, torch.full((3,), -1), torch.full((1, 3), -1), 0, 1)
    dense = place_rows(rows, free=1000)
    assert dense.target.dtype == torch.uint8 and dense.target.tolist() == [[5, 0, 0, 1], [0, 0, 0, 0], [0, 2, 0, 0]]
    assert dense.x.tolist() == [[0.5, 0, 0, 0.25], [0, 0, 0, 0], [0, 2, 0, 0]]
    assert place_rows(rows, free=100) is rows and place_rows(rows) is rows
    assert not is_replayable(small_model("vae"), dense, None)
