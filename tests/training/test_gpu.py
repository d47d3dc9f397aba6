"""On a GPU: replayed steps give the bytes of plain ones, the same bytes twice, and the numbers of the CPU.

Needs only PyTorch, NumPy, pandas, safetensors and scikit-learn beside pytest.
"""

import pytest
import torch
from support.models import MODELS, SEEDS, C, K, small_batch, small_model, viewed_rows

from gmvae.nn.batches import Rows
from gmvae.nn.inference import cluster_rows, embed_rows
from gmvae.nn.row_storage import CsrLayout, CsrRows
from gmvae.training import graph_capture
from gmvae.training.device import choose_device
from gmvae.training.loop import loss, step_once, train_to_end
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
PLAN = Training(epochs=6, batch_size=16, learning_rate=1e-2, autoencode_epochs=1, guide_epochs=1, kl_warmup_epochs=1)
VIEWED = Training(**(vars(PLAN) | {"views": ("neighbours", "affine"), "information": 2.0, "clip": 1.0}))
TOLERANCE = 2e-3  # of terms and gradients against the CPU's, relative to the largest
COUNTS = "negative_binomial"


def on_gpu(rows):
    """The rows on the GPU, with sparse rows left to be made dense there."""
    device = choose_device("cuda")

    def move(value):
        return value.to(device) if isinstance(value, torch.Tensor) else value

    if isinstance(rows.x, CsrRows):
        layout = CsrLayout(*map(move, rows.x.layout))
        x, target = (CsrRows(layout, move(matrix.values)) for matrix in (rows.x, rows.target))
    else:
        x = target = move(rows.x)
    return rows._replace(x=x, target=target, **{name: move(getattr(rows, name)) for name in Rows._fields[2:]})


def count_rows(n=60, n_features=6):
    """Sparse counts of three profiles under two conditions."""
    draws = torch.Generator().manual_seed(7)
    profiles = 6 * torch.rand(K, n_features, generator=draws)
    counts = torch.poisson(profiles[torch.arange(n) % K], generator=draws)
    place = counts.nonzero()
    length = (counts > 0).sum(1)
    layout = CsrLayout(length.cumsum(0) - length, length, place[:, 1].int(), n_features)
    values = counts[counts > 0]
    hidden = torch.full((len(SEEDS), n), -1)
    return Rows(CsrRows(layout, values.log1p()), CsrRows(layout, values.byte()), place.new_zeros(n), hidden, 0, K)


def train(module, likelihood, plan, rows):
    """The state after training on the GPU."""
    model = small_model(module, likelihood, n_conditions=rows.n_conditions)
    state = TrainingState(model.to(rows.device), plan, SEEDS, rows.device)
    train_to_end(state, rows, plan)
    return state


def same(one, other):
    """Whether two trainings gave the same bytes."""
    tensors = other.tensors()
    return one.history == other.history and all(torch.equal(t, tensors[name]) for name, t in one.tensors().items())


@pytest.mark.parametrize("plan", [PLAN, VIEWED], ids=["plain", "views"])
@pytest.mark.parametrize("module", MODELS)
def test_replayed_steps_give_the_bytes_of_plain_ones_twice(monkeypatch, module, plan):
    rows = on_gpu(viewed_rows())
    first, second = (train(module, "normal", plan, rows) for _ in range(2))
    assert same(first, second)
    monkeypatch.setattr(graph_capture, "is_replayable", lambda *_: False)
    assert same(first, train(module, "normal", plan, rows))


@pytest.mark.parametrize("module", [module for module in MODELS if module not in ("scgen", "cvae", "cgmdvae")])
def test_counts_are_trained_by_replayed_steps_too(monkeypatch, module):
    rows = on_gpu(count_rows())
    first = train(module, COUNTS, PLAN, rows)
    assert same(first, train(module, COUNTS, PLAN, rows))
    monkeypatch.setattr(graph_capture, "is_replayable", lambda *_: False)
    assert same(first, train(module, COUNTS, PLAN, rows))


@pytest.mark.parametrize("likelihood", ["normal", "bernoulli", COUNTS, "zero_inflated_negative_binomial"])
@pytest.mark.parametrize("module", MODELS)
def test_terms_and_gradients_are_those_of_the_cpu(module, likelihood):
    results = []
    for device in (torch.device("cpu"), choose_device("cuda")):
        model = small_model(module, likelihood, **({"dropout": 0.0} if module == "scgen" else {}))
        if likelihood == "normal":
            model.initialise(viewed_rows(), SEEDS)
            model.refresh(viewed_rows())
        batch = small_batch(model, likelihood=likelihood, labelled=True)
        model = model.to(device)
        model.load_training_state(model.training_state())
        state, names = TrainingState(model, PLAN, SEEDS, device), []
        batch = batch._replace(**{key: value.to(device) for key, value in batch._asdict().items() if value is not None})
        values = step_once(state, PLAN, lambda terms, batch: loss(terms, batch, 1.0, 1.0), 5, names, batch)
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        results.append([values.cpu(), *(gradient.cpu() for gradient in gradients)])
    for expected, found in zip(*results, strict=True):
        assert (expected - found).abs().max() <= TOLERANCE * expected.abs().max().clamp(min=1)


def test_rows_are_embedded_and_clustered_as_on_the_cpu():
    rows = viewed_rows()
    state = train("gmdvae", "normal", PLAN, on_gpu(rows))
    found = [apply(state.model, on_gpu(rows)) for apply in (embed_rows, lambda *both: cluster_rows(*both, None))]
    model = state.model.cpu()
    expected = [apply(model, rows) for apply in (embed_rows, lambda *both: cluster_rows(*both, None))]
    assert rows.n_conditions == C
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other.cpu(), atol=TOLERANCE)


def test_without_room_the_rows_stay_sparse_and_steps_plain(monkeypatch):
    monkeypatch.setattr(graph_capture, "SHARE", 0.0)
    rows = on_gpu(count_rows())
    assert graph_capture.place_rows(rows) is rows
    state = train("gmdvae", COUNTS, PLAN, rows)
    assert all(torch.isfinite(tensor).all() for tensor in state.tensors().values())
