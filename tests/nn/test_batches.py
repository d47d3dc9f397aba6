"""The order of rows: every row counts once in an epoch, every batch has labelled rows, seeds do not mix."""

import pytest
import torch
from support.models import blob_rows

from gmvae.nn.batches import make_batch, one_hot
from gmvae.nn.random_streams import make_generators
from gmvae.nn.row_order import epoch_order
from gmvae.training.loop import batch_at, epoch_steps
from gmvae.training.schedule import Training


def labels(n, n_labelled, n_seeds=2):
    return torch.where(torch.arange(n) < n_labelled, 1, -1).expand(n_seeds, -1)


@pytest.mark.parametrize("n", [1, 7, 64, 100])
@pytest.mark.parametrize("batch_size", [1, 8, 33, 1000])
@pytest.mark.parametrize("n_labelled", [0, 1, 5, 60])
def test_every_row_has_weight_one_in_an_epoch(n, batch_size, n_labelled):
    n_labelled = min(n_labelled, n)
    rows, weight = epoch_order(labels(n, n_labelled), batch_size, make_generators([1, 2], "order"))
    for s in range(2):
        total = torch.zeros(n).index_add(0, rows[s].flatten(), weight[s].flatten())
        assert torch.allclose(total, torch.ones(n))


@pytest.mark.parametrize(
    ("n", "n_labelled", "batch_size", "least"),
    [(100, 1, 40, 1), (100, 20, 40, 20), (200, 40, 40, 32), (400, 63, 64, 32), (400, 300, 64, 38), (100, 60, 10, 10)],
)
def test_every_batch_holds_32_labelled_rows_where_there_are_as_many(n, n_labelled, batch_size, least):
    """Fewer where the batch or the labelled rows are fewer; no labelled row stands twice in a batch."""
    label = labels(n, n_labelled)
    rows, weight = epoch_order(label, batch_size, make_generators([1, 2], "order"))
    for s in range(2):
        for step in range(rows.shape[1]):
            held = rows[s, step][(label[s][rows[s, step]] >= 0) & (weight[s, step] > 0)]
            assert len(held) >= least and len(held.unique()) == len(held)


def test_all_batches_have_one_size_that_does_not_exceed_batch_size():
    rows, weight = epoch_order(labels(100, 0), 30, make_generators([1], "order"))
    assert rows.shape == weight.shape == (1, 4, 25)


def test_a_batch_size_larger_than_the_data_gives_one_batch_of_all_rows():
    rows, weight = epoch_order(labels(10, 0), 64, make_generators([1], "order"))
    assert rows.shape == (1, 1, 10) and (weight == 1).all()
    assert sorted(rows[0, 0].tolist()) == list(range(10))


def test_a_seed_s_order_does_not_depend_on_the_other_seeds():
    together, _ = epoch_order(labels(50, 5, 3), 8, make_generators([4, 5, 6], "order"))
    alone, _ = epoch_order(labels(50, 5, 1), 8, make_generators([5], "order"))
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])


def test_unknown_categories_are_rows_of_zeros():
    assert torch.equal(one_hot(torch.tensor([1, -1, 0]), 2), torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]))
    assert one_hot(torch.tensor([-1, -1]), 0).shape == (2, 0)


def test_a_batch_holds_each_seed_s_own_rows():
    rows = blob_rows(labelled=60)
    index = torch.tensor([[0, 1], [2, 4]])
    batch = make_batch(rows, index, torch.zeros(2, 1, 2, 3))
    assert torch.equal(batch.x[1], rows.x[[2, 4]])
    assert batch.label.argmax(-1).tolist() == [[0, 1], [2, 1]]
    assert batch.condition.argmax(-1).tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize("labelled", [0, 4])
@pytest.mark.parametrize("n", [60, 61, 67])
def test_the_last_batch_of_an_epoch_has_the_shape_of_the_others_and_no_row_is_dropped(n, labelled):
    rows = blob_rows(n, labelled=labelled)
    training = Training(epochs=1, batch_size=16, learning_rate=1e-3, n_samples=2)
    draws = {purpose: make_generators([1, 2], purpose) for purpose in ("order", "noise")}
    batches = [batch_at(rows, block, at, None) for _, _, block, at in epoch_steps(rows, training, draws, 3)]
    assert len({(batch.x.shape, batch.noise.shape) for batch in batches}) == 1 and len(batches) > 1
    weighted = torch.cat([torch.where(batch.weight > 0, batch.index, -1) for batch in batches], 1)
    assert all(set(weighted[s].tolist()) - {-1} == set(range(n)) for s in range(2))
