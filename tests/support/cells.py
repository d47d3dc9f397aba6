"""Raw counts of cells made up for tests, a split of them, and thresholds for their preprocessing."""

import anndata
import numpy as np
import pandas as pd
from scipy import sparse


def raw_cells(n: int = 400, n_genes: int = 300, n_batches: int = 2, seed: int = 0) -> anndata.AnnData:
    """Raw counts [n, n_genes] of three types in batches, overdispersed; the first ten genes are mitochondrial."""
    generator = np.random.default_rng(seed)
    label, batch = generator.integers(3, size=n), generator.integers(n_batches, size=n)
    means = generator.lognormal(-1, 1.2, (3, n_genes)) * generator.lognormal(0, 0.2, (n_batches, 1, n_genes))
    counts = generator.poisson(
        means[batch, label] * generator.gamma(2, 0.5, (n, n_genes)) * generator.gamma(4, 0.25, (n, 1))
    )
    names = [f"MT-ND{j}" if j < 10 else f"gene{j}" for j in range(n_genes)]
    obs = pd.DataFrame(
        {"label": pd.Categorical([f"type {k}" for k in label]), "batch": pd.Categorical([f"batch {b}" for b in batch])},
        index=[f"cell {i}" for i in range(n)],
    )
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=names))
    adata.layers["counts"] = sparse.csr_matrix(counts.astype(np.float32))
    adata.uns = {"likelihood": "negative_binomial", "shape": np.array([], dtype=int)}
    return adata


def every_fifth(obs: pd.DataFrame) -> pd.Categorical:
    """A split by the names of the cells, so that it does not depend on labels."""
    return pd.Categorical(["test" if int(name.split()[1]) % 5 == 0 else "train" for name in obs.index])


CHOICES = {"min_genes": 60, "max_mito": 0.08, "max_doublet": 0.12, "n_top_genes": 80}
