"""Compact forms give the values back to the last bit, and training on them gives the same bytes as dense rows."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from support.models import MODELS, small_model, train_model

from gmvae.nn import row_storage
from gmvae.nn.batches import make_batch, rows_from_dataset, select_rows
from gmvae.nn.row_packing import pack_counts, pack_rows
from gmvae.training.schedule import Training

CPU = torch.device("cpu")
SEEDS = [3, 11]
N, D = 40, 6


def counts(n=N, d=D, largest=9):
    """Counts [n, d] float32, two thirds of them 0, some rows without any."""
    draws = np.random.default_rng(0)
    values = draws.integers(1, largest + 1, (n, d)) * (draws.random((n, d)) > 2 / 3)
    values[::7] = 0
    return values.astype(np.float32)


def cells(form, values=None):
    values = counts() if values is None else values
    x = np.log1p(values * np.float32(1.3))
    adata = anndata.AnnData(form(x), layers={"counts": form(values)})
    adata.obs["condition"] = pd.Categorical(np.where(np.arange(len(values)) % 2, "a", "b"))
    adata.uns["likelihood"] = "negative_binomial"
    return adata


def packed_rows(adata, some=None):
    n = adata.n_obs if some is None else len(some)
    return rows_from_dataset(adata, np.full(n, -1), len(SEEDS), 3, CPU, some)


def trained_weights(rows, likelihood="negative_binomial", module="vae"):
    model = small_model(module, likelihood, n_features=rows.x.shape[1])
    history = train_model(model, rows, Training(epochs=3, batch_size=16, learning_rate=1e-2), SEEDS)
    return model.state_dict(), history


@pytest.mark.parametrize("index", [[[0, 7, 3]], [[1, 1], [39, 14]], [[7]]])
def test_rows_of_a_sparse_matrix_are_those_of_the_dense_one(index):
    values, index = counts(), torch.tensor(index)
    matrix = pack_rows(sparse.csr_matrix(values), np.arange(N), CPU)
    assert isinstance(matrix, row_storage.CsrRows) and matrix.shape == (N, D) and len(matrix) == N
    assert torch.equal(row_storage.take_rows(matrix, index), torch.as_tensor(values)[index])
    entries = row_storage.find_entries(matrix.layout, index)
    tensor = row_storage.to_coo(entries, matrix.values_at(entries))
    assert torch.equal(tensor.to_dense(), row_storage.to_dense(entries, matrix.values_at(entries)))
    indices = tensor.indices()
    order = (indices[0] * N * D + indices[1] * D + indices[2]).argsort()
    assert torch.equal(indices, indices[:, order])  # the tensor is coalesced, as its flag says


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_rows_are_taken_by_their_positions(form):
    some = np.array([5, 2, 30])
    matrix = pack_rows(form(counts()), some, CPU)
    assert np.array_equal(row_storage.take_rows(matrix, torch.arange(3).unsqueeze(0))[0].numpy(), counts()[some])


@pytest.mark.parametrize(
    ("largest", "dtype"), [(255, torch.uint8), (256, torch.int16), (40000, torch.int32), (2**24, torch.int32)]
)
def test_counts_are_stored_in_the_smallest_dtype(largest, dtype):
    values = counts()
    values[3, 3] = largest
    target = pack_counts(values, values, np.arange(N), CPU)[1]
    assert target.values.dtype == dtype
    assert np.array_equal(row_storage.take_rows(target, torch.arange(N).unsqueeze(0))[0].numpy(), values)


def disordered(values):
    """The same matrix as CSR with stored zeros and unsorted columns."""
    rows, columns = np.indices(values.shape).reshape(2, -1)[:, ::-1]
    data = values[rows, columns]
    pointers = np.arange(0, values.size + 1, values.shape[1])
    order = np.argsort(rows, kind="stable")
    matrix = sparse.csr_matrix((data[order], columns[order], pointers), shape=values.shape)
    assert not matrix.has_canonical_format
    return matrix


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, disordered])
def test_counts_and_x_share_one_layout(form):
    rows, values = packed_rows(cells(form)), counts()
    assert rows.x.layout is rows.target.layout and len(rows.x.values) == (values > 0).sum()
    batch = make_batch(rows, torch.arange(N).expand(2, -1), torch.zeros(2, 1, N, 3))
    assert batch.target.is_sparse and np.array_equal(batch.target.to_dense()[1].numpy(), values)
    assert np.array_equal(batch.x[0].numpy(), np.log1p(values * np.float32(1.3)))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_x_may_be_nonzero_at_other_entries_than_the_counts(form):
    adata = cells(form)
    moved = np.roll(counts(), 1, axis=1)
    adata.X = form(moved)
    batch = make_batch(packed_rows(adata), torch.arange(N).expand(2, -1), torch.zeros(2, 1, N, 3))
    assert np.array_equal(batch.x[0].numpy(), moved) and np.array_equal(batch.target.to_dense()[0].numpy(), counts())


def test_selected_rows_are_dense():
    rows = packed_rows(cells(sparse.csr_matrix))
    some = select_rows(rows, torch.tensor([4, 1]))
    assert np.array_equal(some.target.numpy(), counts()[[4, 1]]) and some.label.shape == (2, 2)
    assert some.condition.tolist() == rows.condition[[4, 1]].tolist()


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_column_means_are_those_of_numpy(form, monkeypatch):
    monkeypatch.setattr(row_storage, "BLOCK", 20)
    matrix = pack_rows(form(counts()), np.arange(3, 30), CPU)
    assert np.array_equal(
        row_storage.column_means(matrix).numpy(), counts()[3:30].mean(0, dtype=np.float64).astype(np.float32)
    )


@pytest.mark.parametrize("module", MODELS)
def test_sparse_and_dense_cells_give_the_same_bytes(module):
    some = np.arange(2, N)
    (sparse_weights, sparse_history), (dense_weights, dense_history) = (
        trained_weights(packed_rows(cells(form), some), module=module) for form in (sparse.csr_matrix, np.asarray)
    )
    assert all(torch.equal(sparse_weights[name], tensor) for name, tensor in dense_weights.items())
    assert sparse_history.equals(dense_history)


def test_csr_rows_train_to_the_same_bytes_as_dense_tensors():
    compact = packed_rows(cells(sparse.csr_matrix))
    plain = select_rows(compact, torch.arange(N))
    assert isinstance(plain.target, torch.Tensor)
    of_compact, of_plain = trained_weights(compact)[0], trained_weights(plain)[0]
    assert all(torch.equal(of_compact[name], tensor) for name, tensor in of_plain.items())
