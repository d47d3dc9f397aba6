"""The matrices of an AnnData in HDF5 or zarr, checked before their values are read, and then read by rows."""

import math
from collections.abc import Iterator

import h5py
import numpy as np
from anndata.abc import CSCDataset
from anndata.io import sparse_dataset
from scipy import sparse

from gmvae.data.row_blocks import ROWS, Counts, canonical_counts, iterate_blocks
from gmvae.formats.count_checks import check_compressed, check_count_type, check_indices, check_values
from gmvae.formats.dataset import first_line
from gmvae.formats.stored_checks import check_memory, has_part, is_array, open_part
from gmvae.pipeline.errors import Refused

REPEATS = 10  # entries for one place, which are summed; programs that write any write two


def matrix_places(store: object, where: str) -> dict[str, tuple[str, str]]:
    """Find every matrix of a file.

    Args:
        store: The root group.
        where: The file, for messages.

    Returns:
        By name, which is X, raw or that of a layer: the path of the matrix and that of the table of its genes.

    Raises:
        Refused: A link on the way leads out of the file.
    """
    places = {}
    if has_part(store, "layers", where):
        places = {name: (f"layers/{name}", "var") for name in open_part(store, "layers", where, members=False)}
    if "X" in list(store):
        places["X"] = "X", "var"
    if "raw.X" in list(store):  # before anndata 0.7
        places["raw"] = "raw.X", "raw.var"
    if has_part(store, "raw", where):
        raw = open_part(store, "raw", where, members=False)
        if not is_array(raw) and "X" in list(raw):  # zarr stores have an array without values for no raw
            places["raw"] = "raw/X", "raw/var"
    return places


def read_counts(store: object, path: str, shape: tuple[int, int], where: str) -> Counts:
    """Open a matrix of counts, and check it before and while its values are read once.

    Args:
        store: The root group.
        path: The path of the matrix.
        shape: Numbers of cells and of genes.
        where: The file, for messages.

    Returns:
        The counts [N, D]. Dense and CSR matrices stay in their file; CSC is converted in memory.

    Raises:
        Refused: The matrix is damaged, does not fit to the other parts, or holds other values than counts.
    """
    name = f"{where}: {path}"
    part = open_part(store, path, where)
    if is_array(part):
        check_count_type(part.dtype, name)
        check_shape(part.shape, shape, name)
        check_memory(min(ROWS, shape[0]) * shape[1] * part.dtype.itemsize, f"{name}, in blocks of {ROWS} rows,")
        counts = part
    else:
        counts = open_sparse(part, shape, name)
    check_values(stored_counts(counts, name), name)
    return counts


def open_sparse(group: object, shape: tuple[int, int], name: str) -> Counts:
    """The sparse matrix [N, D] of a group, its parts checked. CSC is read, and converted to CSR."""
    stated = group.attrs.get("shape", group.attrs.get("h5sparse_shape"))
    parts = [group.get(part) for part in ("data", "indices", "indptr")]
    if stated is None or not all(is_array(part) and len(part.shape) == 1 for part in parts):
        encoding = group.attrs.get("encoding-type", "none")
        raise Refused(
            f"{name} is neither dense, CSR nor CSC (encoding {encoding}); allowed: these; write it again with anndata"
        )
    check_shape(stated, shape, name)
    data, indices, indptr = parts
    check_count_type(data.dtype, name)
    check_chunks(parts, name)
    matrix = open_compressed(group, name)
    by_columns = isinstance(matrix, CSCDataset)
    check_memory(8 * int(indptr.shape[0]), name)
    n_major, n_minor = shape[::-1] if by_columns else shape
    lengths = int(indices.shape[0]), int(data.shape[0])
    check_compressed(indptr[...], lengths, n_major, name, "columns" if by_columns else "rows")
    check_repeats(indptr[...], n_minor, name)
    if not by_columns:
        return matrix
    check_memory(2 * lengths[1] * (data.dtype.itemsize + indices.dtype.itemsize), f"{name}, stored by columns (CSC),")
    loaded = matrix.to_memory()
    check_indices(loaded.indices, n_minor, name)
    return canonical_counts(sparse.csr_matrix(loaded))


def check_repeats(indptr: np.ndarray, n_minor: int, name: str) -> None:
    """Check that no row has far more entries than it has places: some kilobytes of zeros may be unpacked to gigabytes.

    Args:
        indptr: Where each row starts in the values.
        n_minor: How many places a row has.
        name: File and part, for messages.

    Raises:
        Refused: A row has them.
    """
    longest = int(np.diff(indptr).max(initial=0))
    if longest > REPEATS * n_minor:
        raise Refused(
            f"{name} has {longest} entries for {n_minor} places in one row; allowed: {REPEATS} for each place; it is "
            "damaged, write the file again"
        )


def open_compressed(group: object, name: str) -> object:
    """anndata's view of a CSR or CSC matrix. Raises Refused for other encodings."""
    try:
        return sparse_dataset(group)
    except Exception as failure:  # anndata raises several kinds for an encoding that it does not know
        raise Refused(f"{name} is neither CSR nor CSC ({first_line(failure)}); write it with anndata") from failure


def check_shape(stated: object, shape: tuple[int, int], name: str) -> None:
    """Raise Refused where a matrix has another shape than the numbers of cells and genes."""
    stated = tuple(int(n) for n in stated)
    if stated != shape:
        raise Refused(
            f"{name} has shape {stated}; allowed: {shape}, as many as the file names cells and genes; it is damaged, "
            "write it again with anndata"
        )


def check_chunks(arrays: list, name: str) -> None:
    """Raise Refused where a zarr store lacks chunks of a sparse matrix: they would be read as zeros."""
    for array in arrays:
        if not isinstance(array, h5py.Dataset) and math.prod(array.shape) and array.nchunks_initialized < array.nchunks:
            raise Refused(
                f"{name}: {array.basename} has {array.nchunks_initialized} of {array.nchunks} chunks; the store was "
                "not copied whole, copy it again"
            )


def stored_counts(counts: Counts, name: str) -> Iterator[np.ndarray]:
    """The values of a matrix by blocks of rows. Raises Refused where indices are outside the matrix."""
    for _, block in iterate_blocks(counts):
        check_indices(block.indices, counts.shape[1], name)
        yield block.data
