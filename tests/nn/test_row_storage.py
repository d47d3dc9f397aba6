"""Compact forms give the values back to the last bit, and what is trained on them is what dense rows give."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from support.models import MODELS, small_model, train_model

from gmvae.nn import row_storage
from gmvae.nn.batches import Rows, make_batch, rows_from_dataset, select_rows
from gmvae.nn.row_packing import pack_counts, pack_rows
from gmvae.training.schedule import Training

CPU = torch.device("cpu")
SEEDS = [3, 11]
N, D = 40, 6


def counts(n=N, d=D, largest=9):
    """Counts [n, d] float32, two thirds of them 0, some rows without any."""
    draws = np.random.default_rng(0)
    found = draws.integers(1, largest + 1, (n, d)) * (draws.random((n, d)) > 2 / 3)
    found[::7] = 0
    return found.astype(np.float32)


def cells(form, values=None):
    values = counts() if values is None else values
    x = np.log1p(values * np.float32(1.3))
    adata = anndata.AnnData(form(x), layers={"counts": form(values)})
    adata.obs["condition"] = pd.Categorical(np.where(np.arange(len(values)) % 2, "a", "b"))
    adata.uns["likelihood"] = "negative_binomial"
    return adata


def kept_rows(adata, some=None):
    n = adata.n_obs if some is None else len(some)
    return rows_from_dataset(adata, np.full(n, -1), len(SEEDS), 3, CPU, some)


def weights(rows, likelihood="negative_binomial", module="vae"):
    model = small_model(module, likelihood, n_features=rows.x.shape[1])
    history = train_model(model, rows, Training(epochs=3, batch_size=16, learning_rate=1e-2), SEEDS)
    return model.state_dict(), history


@pytest.mark.parametrize("index", [[[0, 7, 3]], [[1, 1], [39, 14]], [[7]]])
def test_rows_of_a_sparse_matrix_are_those_of_the_dense_one(index):
    values, index = counts(), torch.tensor(index)
    matrix = pack_rows(sparse.csr_matrix(values), np.arange(N), CPU)
    assert isinstance(matrix, row_storage.CsrRows) and matrix.shape == (N, D) and len(matrix) == N
    assert torch.equal(row_storage.take_rows(matrix, index), torch.as_tensor(values)[index])
    entries = row_storage.find_entries(matrix.places, index)
    tensor = row_storage.to_coo(entries, matrix.at(entries))
    assert torch.equal(tensor.to_dense(), row_storage.to_dense(entries, matrix.at(entries)))
    at = tensor.indices()
    assert torch.equal(at, at[:, (at[0] * N * D + at[1] * D + at[2]).argsort()])  # coalesced, as it says it is


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_some_rows_are_taken_by_their_position(form):
    some = np.array([5, 2, 30])
    matrix = pack_rows(form(counts()), some, CPU)
    assert np.array_equal(row_storage.take_rows(matrix, torch.arange(3).unsqueeze(0))[0].numpy(), counts()[some])


@pytest.mark.parametrize("n_levels", [1, 16, 255])
def test_grey_levels_are_bytes_that_give_the_same_bits(n_levels):
    values = (np.random.default_rng(0).integers(0, n_levels + 1, (N, D)) / n_levels).astype(np.float32)
    values[0, 0] = np.float32(1) / np.float32(n_levels)
    matrix = pack_rows(values, np.arange(N), CPU)
    assert isinstance(matrix, row_storage.GreyLevels) and matrix.codes.dtype == torch.uint8
    assert np.array_equal(row_storage.take_rows(matrix, torch.arange(N).unsqueeze(0))[0].numpy(), values)
    assert torch.equal(row_storage.column_means(matrix), row_storage.column_means(torch.as_tensor(values)))
    torch.set_default_dtype(torch.float64)
    try:
        assert np.array_equal(
            row_storage.take_rows(matrix, torch.arange(N).unsqueeze(0))[0].numpy(), values.astype(np.float64)
        )
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("value", [-1.0, 0.3, 1e-6, 300.0])
def test_what_is_no_grey_level_stays_as_it_is(value):
    values = np.array([[0, 1], [0.5, value]], np.float32)
    assert torch.equal(pack_rows(values, np.arange(2), CPU), torch.as_tensor(values))


@pytest.mark.parametrize(
    ("largest", "kind"), [(255, torch.uint8), (256, torch.int16), (40000, torch.int32), (2**24, torch.int32)]
)
def test_counts_take_the_smallest_kind_of_number(largest, kind):
    values = counts()
    values[3, 3] = largest
    target = pack_counts(values, values, np.arange(N), CPU)[1]
    assert target.values.dtype == kind
    assert np.array_equal(row_storage.take_rows(target, torch.arange(N).unsqueeze(0))[0].numpy(), values)


def disordered(values):
    """The same matrix with stored zeros, places out of order, and a count in two parts."""
    rows, columns = np.indices(values.shape).reshape(2, -1)[:, ::-1]
    data = values[rows, columns]
    pointers = np.arange(0, values.size + 1, values.shape[1])
    order = np.argsort(rows, kind="stable")
    matrix = sparse.csr_matrix((data[order], columns[order], pointers), shape=values.shape)
    assert not matrix.has_canonical_format
    return matrix


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, disordered])
def test_counts_and_what_models_see_share_their_places(form):
    rows, values = kept_rows(cells(form)), counts()
    assert rows.x.places is rows.target.places and len(rows.x.values) == (values > 0).sum()
    batch = make_batch(rows, torch.arange(N).expand(2, -1), torch.zeros(2, 1, N, 3))
    assert batch.target.is_sparse and np.array_equal(batch.target.to_dense()[1].numpy(), values)
    assert np.array_equal(batch.x[0].numpy(), np.log1p(values * np.float32(1.3)))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_what_models_see_may_differ_from_the_counts_in_its_places(form):
    adata = cells(form)
    moved = np.roll(counts(), 1, axis=1)
    adata.X = form(moved)
    batch = make_batch(kept_rows(adata), torch.arange(N).expand(2, -1), torch.zeros(2, 1, N, 3))
    assert np.array_equal(batch.x[0].numpy(), moved) and np.array_equal(batch.target.to_dense()[0].numpy(), counts())


def test_a_few_rows_are_dense():
    rows = kept_rows(cells(sparse.csr_matrix))
    some = select_rows(rows, torch.tensor([4, 1]))
    assert np.array_equal(some.target.numpy(), counts()[[4, 1]]) and some.label.shape == (2, 2)
    assert some.condition.tolist() == rows.condition[[4, 1]].tolist()


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_the_mean_of_all_rows_is_numpy_s(form, monkeypatch):
    monkeypatch.setattr(row_storage, "BLOCK", 20)
    matrix = pack_rows(form(counts()), np.arange(3, 30), CPU)
    assert np.array_equal(
        row_storage.column_means(matrix).numpy(), counts()[3:30].mean(0, dtype=np.float64).astype(np.float32)
    )


@pytest.mark.parametrize("module", MODELS)
def test_sparse_and_dense_cells_give_the_same_bytes(module):
    some = np.arange(2, N)
    sparse_ones, dense_ones = (
        weights(kept_rows(cells(form), some), module=module) for form in (sparse.csr_matrix, np.asarray)
    )
    assert all(torch.equal(sparse_ones[0][name], tensor) for name, tensor in dense_ones[0].items())
    assert sparse_ones[1].equals(dense_ones[1])


def test_cells_kept_as_entries_give_the_bytes_of_dense_tensors():
    compact = kept_rows(cells(sparse.csr_matrix))
    plain = select_rows(compact, torch.arange(N))
    assert isinstance(plain.target, torch.Tensor)
    one, other = weights(compact)[0], weights(plain)[0]
    assert all(torch.equal(one[name], tensor) for name, tensor in other.items())


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_images_kept_as_bytes_give_the_bytes_of_dense_tensors(likelihood):
    values = (np.random.default_rng(0).integers(0, 256, (N, D)) / np.float32(255)).astype(np.float32)
    values[0, 0] = np.float32(1) / np.float32(255)
    none, label = torch.full((N,), -1), torch.full((2, N), -1)
    matrix, tensor = pack_rows(values, np.arange(N), CPU), torch.as_tensor(values)
    assert isinstance(matrix, row_storage.GreyLevels)
    one, other = (weights(Rows(x, x, none, label, 0, 3), likelihood)[0] for x in (matrix, tensor))
    assert all(torch.equal(one[name], value) for name, value in other.items())
