"""What is checked of counts: the type of their numbers, where a sparse matrix has them, and their values."""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy import sparse

from gmvae.pipeline.errors import Refused

NAN_REMEDY = "replace them or remove those rows"
INEXACT = 1 << 24  # from here on float32 does not hold every whole number


def check_compressed(indptr: np.ndarray, lengths: tuple[int, int], n_rows: int, name: str, rows: str = "rows") -> None:
    """Check the row pointers of a CSR matrix, or the column pointers of CSC.

    Args:
        indptr: Where each row starts in the values [n_rows + 1].
        lengths: How many indices and how many values are stored.
        n_rows: Number of rows.
        name: File and part, for messages.
        rows: What the pointers stand for, rows or columns.

    Raises:
        Refused: Their number is wrong, they do not run from 0 to the number of values without a step back, or there are
            more or fewer indices than values.
    """
    n_indices, n_values = lengths
    indptr = np.asarray(indptr)
    fault = ""
    if indptr.ndim != 1 or len(indptr) != n_rows + 1:
        fault = f"indptr has shape {indptr.shape}; allowed: ({n_rows + 1},) for {n_rows} {rows}"
    elif indptr.dtype.kind not in "ui":
        fault = f"indptr is {indptr.dtype}; allowed: whole numbers"
    elif n_indices != n_values:
        fault = f"indices has {n_indices} entries and data {n_values}; allowed: as many of both"
    elif indptr[0] != 0 or indptr[-1] != n_values:
        fault = f"indptr runs from {indptr[0]} to {indptr[-1]}; allowed: from 0 to {n_values}, the number of values"
    elif (indptr[1:] < indptr[:-1]).any():
        fault = f"indptr steps back at entry {int((indptr[1:] < indptr[:-1]).argmax()) + 1}; allowed: no step back"
    if fault:
        raise Refused(f"{name}: {fault}; the matrix is damaged, make the file again")


def check_indices(indices: np.ndarray, n_columns: int, name: str) -> None:
    """Check that the indices of stored values are inside the matrix.

    Args:
        indices: Column of each value; row of each value for CSC.
        n_columns: How many there are.
        name: File and part, for messages.

    Raises:
        Refused: One of them is outside.
    """
    if len(indices) and not (indices.dtype.kind in "ui" and indices.min() >= 0 and indices.max() < n_columns):
        raise Refused(
            f"{name}: indices are {indices.dtype} from {indices.min()} to {indices.max()}; allowed: whole numbers from "
            f"0 to {n_columns - 1}; the matrix is damaged, make the file again"
        )


def check_count_type(dtype: np.dtype, name: str) -> None:
    """Check the type of stored counts.

    Args:
        dtype: The type.
        name: File and part, for messages.

    Raises:
        Refused: It holds no counts, or not exactly.
    """
    if dtype == np.float16:
        raise Refused(
            f"{name} is float16, in which counts above 2048 are rounded; allowed: whole numbers, float32, float64; "
            "make it from the source with adata.X = adata.X.astype('float32') before anything else"
        )
    if dtype.kind not in "uifb":
        raise Refused(f"{name} is {dtype}; allowed: whole numbers, float32, float64; name the matrix of raw counts")


def check_values(parts: Iterable[np.ndarray], name: str) -> None:
    """Check that values are counts.

    Args:
        parts: The values, in arrays of any shape.
        name: Their name in messages.

    Raises:
        Refused: Some of them are not finite, negative, fractional, or too large for float32.
    """
    n_not_finite = n_negative = n_fractional = 0
    largest = 0.0
    for part in parts:
        if not part.size or (part.min() >= 0 and part.max() < INEXACT and whole_numbers(part)):
            continue  # the usual case: all are counts
        largest = max(largest, float(np.max(part, initial=0, where=np.isfinite(part))))
        n_not_finite += int((~np.isfinite(part)).sum())
        n_negative += int((part < 0).sum())
        n_fractional += int((part != np.rint(part)).sum())
    if n_not_finite:
        raise Refused(f"{name} holds {n_not_finite} values that are NaN or infinite; {NAN_REMEDY}")
    if n_negative:
        raise Refused(f"{name} holds {n_negative} negative values; allowed: counts; name the matrix of raw counts")
    if n_fractional:
        raise Refused(
            f"{name} holds {n_fractional} fractional values; allowed: counts; name the matrix of raw counts, "
            "not of normalised ones"
        )
    if largest >= INEXACT:
        raise Refused(
            f"{name} holds a count of {largest:.10g}; allowed: less than {INEXACT}, above which float32 rounds; name "
            "the matrix of raw counts"
        )


def whole_numbers(values: np.ndarray) -> bool:
    """Whether all values are whole numbers."""
    return values.dtype.kind in "uib" or bool((values == np.rint(values)).all())


def stored_values(matrix: np.ndarray | sparse.spmatrix, block: int = 1 << 24) -> Iterator[np.ndarray]:
    """The values that a matrix stores, in parts, so that no mask is as large as the data.

    Args:
        matrix: Dense or sparse.
        block: Number of values in a part.

    Yields:
        One-dimensional arrays.
    """
    values = matrix.data if sparse.issparse(matrix) else matrix.reshape(-1)
    return (values[start : start + block] for start in range(0, values.size, block))
