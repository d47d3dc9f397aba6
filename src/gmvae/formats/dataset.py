"""The contract of a dataset: one AnnData file whose parts mean the same for images, cells and toys.

- `X` [N, D], float32, dense or CSR: what models see.
- `obs`: `split` (train or test); `label`, `condition` and `batch` if they exist; `type` (finer labels) and `coarse`
  (coarser labels) if they exist, which may have gaps.
- `layers["counts"]` [N, D] and `obs["total"]` [N], for cells only: the counts, and each cell's counts over all genes
  before any selection, so that X = log1p(counts * 1e4 / total).
- `obsm["X_pca"]` [N, L], float32: the first principal components of `X`, their mean and axes from the training rows;
  steps that do not use them do without.
- `uns`: `name`, `likelihood` and `shape`, the image shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.formats.count_checks import NAN_REMEDY, check_values, stored_values
from gmvae.formats.labels import check_gaps
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS, LIKELIHOODS
from gmvae.pipeline.errors import Refused

if TYPE_CHECKING:
    import anndata  # the import takes longer than most steps that need only this module's names

ANNOTATIONS = ("label", "condition", "batch")
GRADES = {"type": "fine", "coarse": "coarse"}  # finer and coarser labels, and the suffixes of their metrics
SPLITS = ("train", "test")


def load_dataset(path: Path, memory: float = np.inf) -> anndata.AnnData:
    """Read and check a dataset.

    Args:
        path: An .h5ad file.
        memory: GiB; matrices that are larger than this are memory-mapped.

    Returns:
        The dataset.

    Raises:
        Refused: The file is missing, damaged or breaks the contract.
    """
    adata = open_h5ad(path, memory)
    check_dataset(adata, str(path))
    return adata


def open_h5ad(path: Path, memory: float = np.inf) -> anndata.AnnData:
    """Read an AnnData without checking the contract.

    Args:
        path: An .h5ad file.
        memory: As in `load_dataset`.

    Returns:
        The AnnData.

    Raises:
        Refused: The file is missing, truncated or no AnnData.
    """
    import anndata  # not above: see there

    from gmvae.formats.memory_mapped import open_memory_mapped, unpacked_size  # imports anndata, too

    check_h5ad_exists(path)
    try:
        return (
            open_memory_mapped(path)
            if memory < np.inf and unpacked_size(path) > memory * 2**30
            else anndata.read_h5ad(path)
        )
    except Exception as failure:  # a damaged file makes h5py and anndata raise a dozen kinds of exceptions
        raise Refused(unreadable_message(path, failure)) from failure


def check_h5ad_exists(path: Path) -> None:
    """Raise Refused where there is no such file."""
    if not Path(path).is_file():
        raise Refused(f"{path}: no such file; name an existing .h5ad file, or run the step that makes it")


def unreadable_message(path: Path, failure: Exception) -> str:
    """One line about an .h5ad file that cannot be read.

    Args:
        path: The file.
        failure: What reading it raised.

    Returns:
        The message of a Refused.
    """
    return f"{path}: not readable as .h5ad: truncated, or of another format ({first_line(failure)}); make it again"


def first_line(failure: Exception) -> str:
    """The kind of the exception and the first line of its message."""
    return f"{type(failure).__name__}: {str(failure).strip().splitlines()[0] if str(failure).strip() else 'no message'}"


def check_dataset(adata: anndata.AnnData, name: str) -> None:
    """Check that a dataset keeps the contract of this module.

    Args:
        adata: The dataset.
        name: Its name in messages.

    Raises:
        Refused: It breaks the contract.
    """
    check_uns(adata, name)
    check_annotations(adata, name)
    check_matrix(adata.X, f"{name}: X")
    if adata.X.dtype != np.float32:
        raise Refused(f"{name}: X is {adata.X.dtype}; allowed: float32; prepare the dataset again")
    if "X_pca" in adata.obsm:
        check_matrix(adata.obsm["X_pca"], f"{name}: obsm['X_pca']")
    likelihood = adata.uns["likelihood"]
    if likelihood == "bernoulli":
        lowest, highest = float(adata.X.min()), float(adata.X.max())
        if lowest < 0 or highest > 1:
            raise Refused(
                f"{name}: X spans [{lowest:g}, {highest:g}]; allowed with likelihood bernoulli: [0, 1]; rescale it"
            )
    if likelihood in COUNT_LIKELIHOODS:
        for part, key in (("layers", "counts"), ("obs", "total")):
            if key not in getattr(adata, part):
                raise Refused(
                    f"{name}: {part}['{key}'] is missing, but likelihood {likelihood} needs it; "
                    "prepare the dataset again"
                )
        check_counts(adata.layers["counts"], f"{name}: layers['counts']")


def check_uns(adata: anndata.AnnData, name: str) -> None:
    """Raise Refused if `uns` lacks a key, or has an unknown likelihood or a shape that does not fit a row."""
    for key in ("name", "likelihood", "shape"):
        if key not in adata.uns:
            raise Refused(f"{name}: uns['{key}'] is missing; prepare the dataset again")
    likelihood = adata.uns["likelihood"]
    if likelihood not in LIKELIHOODS:
        raise Refused(f"{name}: uns['likelihood'] is '{likelihood}'; allowed: {', '.join(LIKELIHOODS)}")
    shape = np.asarray(adata.uns["shape"])
    if shape.size and shape.prod() != adata.n_vars:
        raise Refused(
            f"{name}: uns['shape'] is {shape.tolist()}, but a row has {adata.n_vars} features; make them agree"
        )


def check_annotations(adata: anndata.AnnData, name: str) -> None:
    """Raise Refused if a column of `obs` is not a categorical of str, has gaps, or if a split is empty."""
    if not adata.obs_names.is_unique:
        raise Refused(f"{name}: obs_names are not unique; rename the rows")
    if "split" not in adata.obs:
        raise Refused(f"{name}: obs['split'] is missing; prepare the dataset again")
    for key in (*ANNOTATIONS, *GRADES, "split"):
        if key not in adata.obs:
            continue
        column = adata.obs[key]
        if not isinstance(column.dtype, pd.CategoricalDtype) or not all(
            isinstance(c, str) for c in column.cat.categories
        ):
            raise Refused(
                f"{name}: obs['{key}'] is {column.dtype}; allowed: a categorical of str; prepare the dataset again"
            )
    check_gaps(adata.obs, name, (*ANNOTATIONS, "split"))
    splits = sorted(adata.obs["split"].unique())
    if splits != sorted(SPLITS):
        remedy = "choose another test_share, or labels, conditions and batches that two rows or more share"
        raise Refused(f"{name}: obs['split'] holds {splits}; allowed: both train and test; {remedy}")


def check_matrix(matrix: np.ndarray | sparse.spmatrix, name: str) -> None:
    """Check a matrix of a dataset.

    Args:
        matrix: [N, D].
        name: Its name in messages.

    Raises:
        Refused: It is neither dense nor canonical CSR, is empty, or has values that are not finite.
    """
    if not isinstance(matrix, np.ndarray) and not (sparse.issparse(matrix) and matrix.format == "csr"):
        raise Refused(f"{name} is a {type(matrix).__name__}; allowed: a dense array or CSR; convert it")
    if 0 in matrix.shape:
        raise Refused(f"{name} has shape {matrix.shape}, so nothing is left to model; relax the filters")
    if sparse.issparse(matrix) and not matrix.has_canonical_format:
        raise Refused(f"{name} has places with two entries, or entries out of order; call sum_duplicates() on it")
    n_not_finite = sum(int((~np.isfinite(part)).sum()) for part in stored_values(matrix))
    if n_not_finite:
        raise Refused(f"{name} holds {n_not_finite} values that are NaN or infinite; {NAN_REMEDY}")


def check_counts(matrix: np.ndarray | sparse.spmatrix, name: str) -> None:
    """Check that a matrix of a dataset holds counts.

    Args:
        matrix: [N, D].
        name: Its name in messages.

    Raises:
        Refused: As in `check_matrix`, or it has negative or fractional values.
    """
    check_matrix(matrix, name)
    check_values(stored_values(matrix), name)
