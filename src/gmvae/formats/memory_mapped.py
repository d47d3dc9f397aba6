"""Datasets that are too large for memory.

The compressed matrices are unpacked once, in chunks, into unnamed files in the dataset's folder, and these files are
memory-mapped: the operating system reads the rows that a batch needs, caches what fits into memory, and removes the
files when the process ends.
"""

import tempfile
from pathlib import Path

import anndata
import h5py
import numpy as np
from anndata.io import read_elem
from scipy import sparse

CHUNK = 1 << 22  # values that are unpacked at once


def unpacked_size(path: Path) -> int:
    """The size of a dataset's matrices X and counts without compression.

    Args:
        path: An .h5ad file.

    Returns:
        Bytes.
    """
    with h5py.File(path) as file:
        return sum(dataset.nbytes for name in ("X", "layers/counts") for dataset in matrix_arrays(file.get(name)))


def matrix_arrays(matrix: h5py.Dataset | h5py.Group | None) -> list[h5py.Dataset]:
    """The arrays that a dense or sparse matrix consists of; none for a missing matrix."""
    if matrix is None:
        return []
    return [matrix] if isinstance(matrix, h5py.Dataset) else [matrix[key] for key in ("data", "indices", "indptr")]


def open_memory_mapped(path: Path) -> anndata.AnnData:
    """A dataset with memory-mapped X and counts.

    Args:
        path: An .h5ad file.

    Returns:
        The dataset, unchecked; of its layers and of obsm, only the counts and the principal components are there.
    """
    with h5py.File(path) as file:
        layers = {"counts": map_matrix(file["layers/counts"], path)} if "counts" in file.get("layers", {}) else {}
        obs, var, uns = (read_elem(file[key]) for key in ("obs", "var", "uns"))
        obsm = {"X_pca": map_array(file["obsm/X_pca"], path.parent)} if "X_pca" in file.get("obsm", {}) else {}
        return anndata.AnnData(map_matrix(file["X"], path), obs=obs, var=var, uns=uns, layers=layers, obsm=obsm)


def map_matrix(matrix: h5py.Dataset | h5py.Group, path: Path) -> np.ndarray | sparse.csr_matrix:
    """The dense or sparse matrix, its arrays memory-mapped from files in the folder of `path`."""
    arrays = [map_array(dataset, path.parent) for dataset in matrix_arrays(matrix)]
    if isinstance(matrix, h5py.Dataset):
        return arrays[0]
    matrix_class = sparse.csc_matrix if matrix.attrs["encoding-type"] == "csc_matrix" else sparse.csr_matrix
    return matrix_class(tuple(arrays), shape=tuple(matrix.attrs["shape"]))


def map_array(dataset: h5py.Dataset, folder: Path) -> np.ndarray:
    """The array, mapped from a file that vanishes with its last user; changes of the array stay in memory."""
    if not dataset.size:
        return dataset[()]
    rows = max(1, CHUNK // max(1, dataset[:1].size))
    with tempfile.TemporaryFile(dir=folder, prefix=".unpacked.") as file:
        for start in range(0, len(dataset), rows):
            dataset[start : start + rows].tofile(file)
        file.flush()
        return np.memmap(file, dtype=dataset.dtype, mode="c", shape=dataset.shape)
