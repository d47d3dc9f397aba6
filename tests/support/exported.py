"""Files of clustered cells as the step `export` writes them: small ones by anndata, a large one block by block."""

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import scanpy
from scipy import sparse

K = 4
GENES = [f"gene{j}" for j in range(40)]
RECORD = {
    "dataset": "Blood & more",
    "task": "cells_task",
    "model": "gmdvae",
    "seed": 3,
    "K": K,
    "labels_observed": False,
    "commit": "0123abc",
    "thresholds": {"min_genes": 200.0, "max_mito": 0.08},
    "dropped": {"min_genes": 17, "doublet": 2},
}


def clustered_cells(n: int = 600, seed: int = 0, labels: bool = True) -> anndata.AnnData:
    """Cells of four clusters, each with its own genes; cluster 3 is empty."""
    generator = np.random.default_rng(seed)
    cluster = generator.integers(K - 1, size=n)
    means = 0.3 + 4 * (np.arange(len(GENES)) // 10 == cluster[:, None])
    counts = generator.poisson(means)
    q_y = generator.dirichlet(0.1 + 9 * np.eye(K)[0], n)
    q_y = np.take_along_axis(q_y, (np.arange(K) - cluster[:, None]) % K, axis=1).astype(np.float32)
    obs = pd.DataFrame(
        {
            "cluster": pd.Categorical.from_codes(cluster, [str(k) for k in range(K)]),
            "cluster_probability": q_y.max(axis=1).astype(np.float64),
            "cluster_entropy": -np.sum(q_y * np.log(np.maximum(q_y, 1e-12)), axis=1).astype(np.float64),
            "seed_agreement": generator.integers(3, size=n) / 2,
            "split": pd.Categorical(np.where(np.arange(n) % 5, "train", "test")),
            "mito": generator.random(n).astype(np.float32),
        },
        index=[f"cell {i}" for i in range(n)],
    )
    if labels:
        names = np.array(["B", "T <naïve> & </script>", "NK"], dtype=object)
        obs["label"] = pd.Categorical(names[np.where(generator.random(n) < 0.1, 0, cluster)])
        obs["batch"] = pd.Categorical(np.where(generator.random(n) < 0.5, "one", "two"))
    plane = np.stack([np.cos(2 * cluster), np.sin(2 * cluster)], axis=1) * 5 + generator.normal(size=(n, 2))
    adata = anndata.AnnData(
        sparse.csr_matrix(np.log1p(counts).astype(np.float32)),
        obs=obs,
        var=pd.DataFrame(index=GENES),
        obsm={"X_umap": plane.astype(np.float32), "q_y": q_y},
    )
    scanpy.tl.rank_genes_groups(adata, "cluster", groups=["0", "1", "2"], method="wilcoxon")
    adata.uns["cluster_colors"] = np.array(["#0072b2", "#e69f00", "#009e73", "#cc79a7"], dtype=object)
    adata.uns["gmvae"] = RECORD
    return adata


def write_cells(path: Path, **options: object) -> Path:
    """Write such cells; options are those of `clustered_cells`."""
    clustered_cells(**options).write_h5ad(path)
    return path


def write_many_cells(path: Path, n: int, n_genes: int = 1200, per_cell: int = 150) -> Path:
    """A file like that of `write_cells`, made without ever holding its matrix: `per_cell` values in each of n rows."""
    small = clustered_cells(60)
    small = anndata.AnnData(
        sparse.csr_matrix((60, n_genes), dtype=np.float32),
        obs=small.obs,
        var=pd.DataFrame(index=GENES + [f"other{j}" for j in range(n_genes - len(GENES))]),
        uns=small.uns,
        obsm=dict(small.obsm),
    )
    small.write_h5ad(path)
    generator, times = np.random.default_rng(1), -(-n // 60)
    with h5py.File(path, "a") as file:
        for group in (
            file["obs"],
            *(file["obs"][name] for name in ("cluster", "split", "label", "batch")),
            file["obsm"],
        ):
            for name, part in list(group.items()):
                if isinstance(part, h5py.Dataset) and name != "categories":
                    repeat_rows(group, name, times, n)
        matrix = file["X"]
        matrix.attrs["shape"] = (n, n_genes)
        del matrix["data"], matrix["indices"], matrix["indptr"]
        matrix["indptr"] = np.arange(0, (n + 1) * per_cell, per_cell)
        data = matrix.create_dataset("data", (n * per_cell,), np.float32)
        indices = matrix.create_dataset("indices", (n * per_cell,), np.int32)
        stride = n_genes // per_cell
        for start in range(0, n, 20_000):
            rows = min(20_000, n - start)
            columns = np.arange(0, per_cell * stride, stride) + generator.integers(stride, size=(rows, 1))
            data[start * per_cell : (start + rows) * per_cell] = generator.random(rows * per_cell, np.float32) + 0.5
            indices[start * per_cell : (start + rows) * per_cell] = columns.ravel()
    return path


def repeat_rows(group: h5py.Group, name: str, times: int, n: int) -> None:
    """Repeat the rows of a part of a file, until there are n."""
    part, attributes = group[name], dict(group[name].attrs)
    values = part.asstr()[()] if part.dtype.kind == "O" else part[()]
    del group[name]
    repeated = np.concatenate([values] * times)[:n]
    if values.dtype.kind == "f" and values.ndim == 2:
        repeated = repeated + np.random.default_rng(2).normal(0, 0.5, repeated.shape).astype(values.dtype)
    group.create_dataset(name, data=repeated, dtype=part.dtype if values.dtype.kind != "O" else h5py.string_dtype())
    group[name].attrs.update(attributes)
