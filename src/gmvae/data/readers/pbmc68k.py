"""PBMC 68k, reduced: 700 blood cells and 765 genes of Zheng et al. 2017, shipped inside scanpy.

scanpy's file holds log1p(counts * 1e4 / total) in `raw` and the cells' totals over all genes in `n_counts`: the raw
counts come back exactly. The labels are those of bulk samples, carried to the cells by correlation.
"""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scanpy
from scipy import sparse


def read(raw: Path | None = None) -> anndata.AnnData:
    """The counts [700, 765] as CSR in layers["counts"]. `raw` is ignored: the file is scanpy's own."""
    shipped = scanpy.datasets.pbmc68k_reduced()
    total = shipped.obs["n_counts"].to_numpy(dtype=np.float64)
    counts = np.expm1(shipped.raw.X.toarray().astype(np.float64)) * total[:, None] / 1e4
    whole = np.rint(counts)
    assert whole.shape == (700, 765) and np.abs(counts - whole).max() < 0.1 and (whole.sum(axis=1) <= total).all()
    adata = anndata.AnnData(
        obs=pd.DataFrame(
            {"label": pd.Categorical(shipped.obs["bulk_labels"].astype(str)), "total": total},
            index=shipped.obs_names.astype(str),
        ),
        var=pd.DataFrame(index=shipped.raw.var_names.astype(str)),
        layers={"counts": sparse.csr_matrix(whole.astype(np.float32))},
    )
    adata.uns = {"likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
    return adata
