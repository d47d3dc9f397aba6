"""The contract of a data set: one AnnData file whose parts mean the same for images, cells and toys.

`X` [N, D] float32, dense or CSR, is what models see. `obs` holds label, condition and batch as far as they exist, split
(train or test), and finer or coarser labels, type and coarse, as far as there are; those may have gaps. Cells also have
`layers["counts"]` [N, D] and `obs["total"]` [N], the counts of a cell over all genes before any selection, so that
X = log1p(counts * 1e4 / total). `uns` holds name, likelihood and the image shape.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS, LIKELIHOODS
from gmvae.formats.memory_mapped import open_memory_mapped, unpacked_size
from gmvae.pipeline.errors import Refused

ANNOTATIONS = ("label", "condition", "batch")
GRADES = {"type": "fine", "coarse": "coarse"}  # further labels that runs are judged by, and how measures are named then
SPLITS = ("train", "test")
NAN_REMEDY = "replace them or drop those rows"


def load_dataset(path: Path, memory: float = np.inf) -> anndata.AnnData:
    """The checked data set in the file; where its matrices take more than `memory` GiB, they are mapped from disk.

    Raises Refused where the file is missing, damaged or breaks the contract.
    """
    adata = open_h5ad(path, memory)
    check_dataset(adata, str(path))
    return adata


def open_h5ad(path: Path, memory: float = np.inf) -> anndata.AnnData:
    """The AnnData in the file, unchecked. Raises Refused where the file is missing, truncated or no AnnData."""
    if not Path(path).is_file():
        raise Refused(f"{path}: no such file; name an existing .h5ad file, or run the step that makes it")
    try:
        return (
            open_memory_mapped(path)
            if memory < np.inf and unpacked_size(path) > memory * 2**30
            else anndata.read_h5ad(path)
        )
    except Exception as failure:  # h5py and anndata raise a dozen kinds for one cause: the file is not whole
        raise Refused(unreadable_message(path, failure)) from failure


def unreadable_message(path: Path, failure: Exception) -> str:
    """One line on an .h5ad file that cannot be read."""
    return f"{path}: not readable as .h5ad: truncated, or of another format ({first_line(failure)}); make it anew"


def first_line(failure: Exception) -> str:
    """The exception's kind and the first line of its message."""
    return f"{type(failure).__name__}: {str(failure).strip().splitlines()[0] if str(failure).strip() else 'no message'}"


def check_dataset(adata: anndata.AnnData, name: str) -> None:
    """Raise Refused, with the name in its one line, where the data set breaks the contract of this module."""
    check_uns(adata, name)
    check_annotations(adata, name)
    check_matrix(adata.X, f"{name}: X")
    if adata.X.dtype != np.float32:
        raise Refused(f"{name}: X is {adata.X.dtype}, models take float32; prepare the data set anew")
    likelihood = adata.uns["likelihood"]
    if likelihood == "bernoulli":
        lowest, highest = float(adata.X.min()), float(adata.X.max())
        if lowest < 0 or highest > 1:
            raise Refused(
                f"{name}: X spans [{lowest:g}, {highest:g}], the bernoulli likelihood takes [0, 1]; rescale it"
            )
    if likelihood in COUNT_LIKELIHOODS:
        for key, holder in (("layers['counts']", adata.layers), ("obs['total']", adata.obs)):
            if key.split("'")[1] not in holder:
                raise Refused(f"{name}: {key} is missing, which likelihood {likelihood} needs; prepare the set anew")
        check_counts(adata.layers["counts"], f"{name}: layers['counts']")


def check_uns(adata: anndata.AnnData, name: str) -> None:
    """Raise Refused where `uns` lacks a key, holds an unknown likelihood or a shape that is not that of a row."""
    for key in ("name", "likelihood", "shape"):
        if key not in adata.uns:
            raise Refused(f"{name}: uns['{key}'] is missing; prepare the data set anew")
    if adata.uns["likelihood"] not in LIKELIHOODS:
        found, allowed = adata.uns["likelihood"], ", ".join(LIKELIHOODS)
        raise Refused(f"{name}: uns['likelihood'] is '{found}'; allowed: {allowed}")
    shape = np.asarray(adata.uns["shape"])
    if shape.size and shape.prod() != adata.n_vars:
        raise Refused(
            f"{name}: uns['shape'] is {shape.tolist()} but a row has {adata.n_vars} features; make them agree"
        )


def check_annotations(adata: anndata.AnnData, name: str) -> None:
    """Raise Refused where a column of `obs` is no categorical of str, has gaps, or a split is empty."""
    if not adata.obs_names.is_unique:
        raise Refused(f"{name}: obs names repeat; make them unique")
    if "split" not in adata.obs:
        raise Refused(f"{name}: obs['split'] is missing; prepare the data set anew")
    for key in (*ANNOTATIONS, *GRADES, "split"):
        if key not in adata.obs:
            continue
        column = adata.obs[key]
        if not isinstance(column.dtype, pd.CategoricalDtype) or not all(
            isinstance(c, str) for c in column.cat.categories
        ):
            raise Refused(
                f"{name}: obs['{key}'] is {column.dtype}, it must be a categorical of str; prepare the set anew"
            )
        if column.isna().any() and key not in GRADES:
            raise Refused(f"{name}: obs['{key}'] has {int(column.isna().sum())} gaps; fill or drop those rows")
    found = sorted(adata.obs["split"].unique())
    if found != sorted(SPLITS):
        raise Refused(f"{name}: obs['split'] holds {found}, it must hold train and test; choose another test_share")


def check_matrix(matrix: np.ndarray | sparse.spmatrix, name: str) -> None:
    """Raise Refused where the matrix [N, D] is empty, neither dense nor CSR, or not finite."""
    if not isinstance(matrix, np.ndarray) and not (sparse.issparse(matrix) and matrix.format == "csr"):
        raise Refused(f"{name} is a {type(matrix).__name__}; allowed: a dense array or CSR; convert it")
    if 0 in matrix.shape:
        raise Refused(f"{name} has shape {matrix.shape}, nothing is left to model; relax the filters")
    wrong = sum(int((~np.isfinite(part)).sum()) for part in stored_values(matrix))
    if wrong:
        raise Refused(f"{name} holds {wrong} values that are NaN or infinite; {NAN_REMEDY}")


def check_counts(matrix: np.ndarray | sparse.spmatrix, name: str) -> None:
    """Raise Refused where the matrix [N, D] holds NaN, negative or fractional values: they are no counts."""
    check_matrix(matrix, name)
    check_values(stored_values(matrix), name)


def check_values(parts: Iterable[np.ndarray], name: str) -> None:
    """Raise Refused where the values, which come in parts, are no counts."""
    unknown = negative = fractional = 0
    for part in parts:
        unknown += int((~np.isfinite(part)).sum())
        negative += int((part < 0).sum())
        fractional += int((part != np.rint(part)).sum())
    if unknown:
        raise Refused(f"{name} holds {unknown} values that are NaN or infinite; {NAN_REMEDY}")
    if negative:
        raise Refused(f"{name} holds {negative} negative values, counts are >= 0; name the matrix of the raw counts")
    if fractional:
        raise Refused(
            f"{name} holds {fractional} fractional values, counts are whole; name the matrix of the raw counts, "
            "not of normalised ones"
        )


def stored_values(matrix: np.ndarray | sparse.spmatrix, block: int = 1 << 24) -> Iterator[np.ndarray]:
    """The values that the matrix stores, in parts: no mask as large as the data need be made."""
    values = matrix.data if sparse.issparse(matrix) else matrix.reshape(-1)
    return (values[start : start + block] for start in range(0, values.size, block))
