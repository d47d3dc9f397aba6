"""A data set that is too large for memory: read as if it were there.

Its compressed matrices are unpacked once, in chunks, into files without a name beside it, and these are mapped: the
system reads the rows that a batch asks for, keeps what it has room for, and removes the files with the process.
"""

import mmap
import tempfile
from pathlib import Path

import anndata
import h5py
import numpy as np
from anndata.io import read_elem
from scipy import sparse

CHUNK = 1 << 22  # values unpacked at once


def unpacked_size(path: Path) -> int:
    """The bytes of the matrices X and counts, unpacked, of a data set in a file."""
    with h5py.File(path) as file:
        return sum(dataset.nbytes for name in ("X", "layers/counts") for dataset in matrix_arrays(file.get(name)))


def matrix_arrays(matrix: h5py.Dataset | h5py.Group | None) -> list[h5py.Dataset]:
    """The arrays that a dense or sparse matrix is made of."""
    if matrix is None:
        return []
    return [matrix] if isinstance(matrix, h5py.Dataset) else [matrix[key] for key in ("data", "indices", "indptr")]


def open_memory_mapped(path: Path) -> anndata.AnnData:
    """The data set in a file, unchecked, with X and the counts mapped from disk; other layers are left out."""
    with h5py.File(path) as file:
        layers = {"counts": map_matrix(file["layers/counts"], path)} if "counts" in file.get("layers", {}) else {}
        obs, var, uns = (read_elem(file[key]) for key in ("obs", "var", "uns"))
        return anndata.AnnData(map_matrix(file["X"], path), obs=obs, var=var, uns=uns, layers=layers)


def map_matrix(matrix: h5py.Dataset | h5py.Group, beside: Path) -> np.ndarray | sparse.csr_matrix:
    """A dense matrix, or one in CSR, whose arrays are mapped from files in the same folder."""
    arrays = [map_array(dataset, beside) for dataset in matrix_arrays(matrix)]
    if isinstance(matrix, h5py.Dataset):
        return arrays[0]
    kind = sparse.csc_matrix if matrix.attrs["encoding-type"] == "csc_matrix" else sparse.csr_matrix
    return kind(tuple(arrays), shape=tuple(matrix.attrs["shape"]))


def map_array(dataset: h5py.Dataset, beside: Path) -> np.ndarray:
    """The array, mapped from a file that is gone once nobody uses it; what is written to the array stays in memory."""
    if not dataset.size:
        return dataset[()]
    rows = max(1, CHUNK // max(1, dataset[:1].size))
    with tempfile.TemporaryFile(dir=beside.parent, prefix=".unpacked.") as file:
        for start in range(0, len(dataset), rows):
            dataset[start : start + rows].tofile(file)
        file.flush()
        return np.memmap(file, dtype=dataset.dtype, mode="c", shape=dataset.shape)


def is_mapped(array: np.ndarray | None) -> bool:
    """Whether the array's values are in a mapped file."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array is not None
