"""PBMC 68k, reduced: 700 blood cells and 765 genes of Zheng et al. 2017, shipped inside scanpy.

scanpy's file holds log1p(counts * 1e4 / total) in `raw`, and the totals of the cells over all genes in `n_counts`: the
raw counts can be restored exactly. The labels are those of bulk samples, transferred to the cells by correlation.
"""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scanpy
from scipy import sparse

from gmvae.pipeline.errors import Refused

SHAPE = (700, 765)
ROUNDING = 0.1  # how far a restored count may be from a whole number: the logarithms were rounded once


def read(raw: Path | None = None) -> anndata.AnnData:
    """Read the cells from scanpy's own file.

    Args:
        raw: Ignored, nothing is downloaded.

    Returns:
        Cells [700, 765] with their counts as CSR in layers["counts"].

    Raises:
        Refused: scanpy's file is not the known one.
    """
    shipped = scanpy.datasets.pbmc68k_reduced()
    total = shipped.obs["n_counts"].to_numpy(dtype=np.float64)
    counts = restore_counts(shipped.raw.X.toarray(), total)
    adata = anndata.AnnData(
        obs=pd.DataFrame(
            {"label": pd.Categorical(shipped.obs["bulk_labels"].astype(str)), "total": total},
            index=shipped.obs_names.astype(str),
        ),
        var=pd.DataFrame(index=shipped.raw.var_names.astype(str)),
        layers={"counts": sparse.csr_matrix(counts.astype(np.float32))},
    )
    adata.uns = {"likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
    return adata


def restore_counts(logarithms: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Whole counts [N, D] from log1p(counts * 1e4 / total) and totals [N]. Raises Refused where there are none."""
    counts = np.expm1(logarithms.astype(np.float64)) * total[:, None] / 1e4
    whole = np.rint(counts)
    faults = []
    if counts.shape != SHAPE:
        faults.append(f"shape {counts.shape}, expected {SHAPE}")
    if not np.abs(counts - whole).max() < ROUNDING:
        faults.append(f"counts that are up to {np.abs(counts - whole).max():.3g} from whole numbers")
    if not (whole.sum(axis=1) <= total).all():
        faults.append("cells with more counts than their n_counts")
    if faults:
        raise Refused(f"pbmc68k: scanpy's file has {'; '.join(faults)}; install the pinned scanpy again")
    return whole
