"""A memory-mapped dataset has the values of one that is read into memory, and gives the same bytes."""

import os

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from gmvae.formats import memory_mapped
from gmvae.formats.dataset import load_dataset
from gmvae.formats.writing import write_h5ad
from gmvae.nn.batches import make_batch, rows_from_dataset
from gmvae.nn.row_packing import is_mapped
from gmvae.nn.row_storage import MappedRows
from gmvae.pipeline.errors import Refused
from gmvae.runs.embed import embed
from gmvae.runs.train import train

N, D = 60, 8
TRAINING = {"epochs": 3, "batch_size": 16, "learning_rate": 1e-2}


def write_dataset(path, form, likelihood):
    """Write a dataset of counts or of grey values."""
    draws = np.random.default_rng(0)
    counts = (draws.integers(1, 300, (N, D)) * (draws.random((N, D)) > 0.6)).astype(np.float32)
    x = np.log1p(counts * np.float32(7)) if "binomial" in likelihood else draws.random((N, D)).astype(np.float32)
    adata = anndata.AnnData(form(x))
    adata.obs["split"] = pd.Categorical(np.where(np.arange(N) % 5, "train", "test"))
    adata.obs["label"] = pd.Categorical(np.where(np.arange(N) % 2, "a", "b"))
    adata.uns = {"name": "Small", "likelihood": likelihood, "shape": np.array([], dtype=np.int64)}
    if "binomial" in likelihood:
        adata.layers["counts"], adata.obs["total"] = form(counts), counts.sum(1) + 1
    adata.obsm["X_pca"] = draws.normal(size=(N, 3)).astype(np.float32)  # models of counts encode them
    write_h5ad(adata, path)
    rows = adata.obs_names[adata.obs["split"] == "train"]
    pd.DataFrame({"row": rows, "label": ""}).to_csv(path.with_suffix(".csv"), index=False)
    return path


@pytest.fixture(
    params=[(sparse.csr_matrix, "negative_binomial"), (np.asarray, "negative_binomial"), (np.asarray, "bernoulli")]
)
def stored(request, tmp_path):
    return write_dataset(tmp_path / "small.h5ad", *request.param)


def values(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


@pytest.mark.parametrize("chunk", [1, 13, 1 << 22])
def test_a_dataset_unpacked_in_chunks_equals_one_read_into_memory(stored, chunk, monkeypatch):
    monkeypatch.setattr(memory_mapped, "CHUNK", chunk)
    in_memory, mapped = load_dataset(stored), load_dataset(stored, memory=0)
    assert np.array_equal(values(mapped.X), values(in_memory.X))
    for name in in_memory.layers:
        assert np.array_equal(values(mapped.layers[name]), values(in_memory.layers[name]))
    assert np.array_equal(mapped.obsm["X_pca"], in_memory.obsm["X_pca"])
    pd.testing.assert_frame_equal(mapped.obs, in_memory.obs)
    assert mapped.uns["likelihood"] == in_memory.uns["likelihood"]


def test_mapped_values_stay_on_disk_in_files_without_a_name(stored):
    adata = load_dataset(stored, memory=0)
    arrays = [adata.X.data, adata.X.indices] if sparse.issparse(adata.X) else [adata.X]
    assert all(is_mapped(array) for array in [*arrays, adata.obsm["X_pca"]])
    assert sorted(os.listdir(stored.parent)) == ["small.csv", "small.h5ad"]


def test_rows_use_the_mapped_values_without_a_copy(stored):
    adata = load_dataset(stored, memory=0)
    rows = rows_from_dataset(adata, np.full(9, -1), 2, 3, torch.device("cpu"), np.arange(3, 12))
    if adata.uns["likelihood"] == "bernoulli":
        assert isinstance(rows.x, MappedRows)
    elif sparse.issparse(adata.X):
        for tensor, array in ((rows.x.values, adata.X.data), (rows.x.layout.feature, adata.layers["counts"].indices)):
            assert tensor.data_ptr() == array.ctypes.data
    batch = make_batch(rows, torch.arange(9).expand(2, -1), torch.zeros(2, 1, 9, 1))
    assert np.array_equal(batch.x[1].numpy(), values(adata.X)[3:12])


def test_a_dataset_that_fits_into_memory_is_read(stored):
    assert memory_mapped.unpacked_size(stored) < 2**20
    assert not is_mapped(getattr(load_dataset(stored, memory=1).X, "data", None))


def run_bytes(stored, folder, memory):
    """All files that training and embedding write, except the provenance, as bytes."""
    files = [folder / name for name in ("weights.safetensors", "history.csv", "provenance.json", "latent.h5ad")]
    observed, settings = stored.with_suffix(".csv"), {"n_hidden": 8}
    options = {"memory": memory, "progress": False}
    train(stored, observed, *files[:3], "gmdvae", settings, TRAINING, 3, [3, 11], "cpu", **options)
    embed(stored, observed, files[0], files[3], "small", "gmdvae", 2, 3, 2, "cpu", memory=memory)
    return [files[0].read_bytes(), files[1].read_bytes(), files[3].read_bytes()]


def test_mapped_and_read_datasets_give_the_same_bytes(stored, tmp_path):
    assert run_bytes(stored, tmp_path / "read", 1) == run_bytes(stored, tmp_path / "mapped", 0)


def test_a_damaged_file_is_refused_in_one_line(tmp_path):
    path = write_dataset(tmp_path / "small.h5ad", sparse.csr_matrix, "negative_binomial")
    with h5py.File(path, "a") as file:
        del file["X/indices"]
    with pytest.raises(Refused, match="not readable as"):
        load_dataset(path, memory=0)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(Refused, match="not readable as"):
        load_dataset(path, memory=0)
