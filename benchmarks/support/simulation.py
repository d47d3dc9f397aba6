"""Simulate any number of cells with the sparsity of real ones: each gene's counts follow a real gene's distribution."""

import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import brentq

from gmvae.data.normalisation import log_normalise
from gmvae.data.readers import pbmc3k, pbmc68k
from gmvae.formats.writing import write_atomically

CHUNK = 10_000  # cells that are drawn at once


def gene_parameters(n_genes: int, density: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of negative binomials that are fitted to genes of a real dataset, drawn with replacement.

    The dataset is PBMC 3k where a mirror holds it, else PBMC 68k (reduced).

    Args:
        n_genes: The number of genes.
        density: The share of counts that are not 0; the means are scaled to it.
        seed: The seed of the choice of genes.

    Returns:
        Means [n_genes] and dispersions [n_genes].
    """
    raw = Path(os.environ.get("GMVAE_MIRROR") or "../shared/data", "pbmc3k")
    counts = (pbmc3k.read(raw) if raw.is_dir() else pbmc68k.read()).layers["counts"].astype(np.float64)
    mean = np.asarray(counts.mean(axis=0)).ravel()
    excess = np.asarray(counts.power(2).mean(axis=0)).ravel() - mean**2 - mean
    dispersion = np.where(excess > 0, mean**2 / np.where(excess > 0, excess, 1), 10.0)  # 10: nearly a Poisson
    genes = np.random.default_rng(seed).choice(np.flatnonzero(mean), n_genes)
    mean, dispersion = mean[genes], np.clip(dispersion[genes], 0.05, 10)
    factor = brentq(lambda f: (1 - zero_probability(f * mean, dispersion)).mean() - density, 1e-3, 1e3)
    return factor * mean, dispersion


def zero_probability(mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """The probability of a count of 0 under the negative binomial: (1 + mean / dispersion) ** -dispersion."""
    return (1 + mean / dispersion) ** -dispersion


def draw_counts(generator: np.random.Generator, n: int, mean: np.ndarray, dispersion: np.ndarray) -> sparse.csr_matrix:
    """Draw counts from negative binomials without a dense matrix: first which are not 0, then their values.

    Where a gene's counts are not 0 in less than a tenth of the cells, those cells are drawn with replacement, and the
    few that are drawn twice add up.

    Args:
        generator: The generator of the draws.
        n: The number of cells.
        mean: Means [genes].
        dispersion: Dispersions [genes].

    Returns:
        Counts [n, genes], float32.
    """
    share = 1 - zero_probability(mean, dispersion)
    frequent = np.flatnonzero(share > 0.1)
    masks = [np.flatnonzero(generator.random(n) < share[gene]) for gene in frequent]
    rare = np.setdiff1d(np.arange(len(mean)), frequent)
    n_cells = generator.binomial(n, share[rare])
    genes = np.concatenate([np.repeat(frequent, [len(mask) for mask in masks]), np.repeat(rare, n_cells)])
    cells = np.concatenate([*masks, generator.integers(n, size=n_cells.sum())])
    values = draw_positive_counts(generator, mean[genes], dispersion[genes])
    return sparse.csr_matrix(sparse.coo_matrix((values, (cells, genes)), shape=(n, len(mean))))


def draw_positive_counts(generator: np.random.Generator, mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """Draw one count per mean [n] from a negative binomial that is not 0, by inverting the distribution function."""
    odds = mean / (mean + dispersion)
    mass = zero_probability(mean, dispersion)
    cumulative = mass.copy()
    target = mass + generator.random(len(mean)) * (1 - mass)
    counts = np.zeros(len(mean), dtype=np.float32)
    active = np.arange(len(mean))
    while len(active):
        k = counts[active]
        mass[active] *= (k + dispersion[active]) / (k + 1) * odds[active]
        cumulative[active] += mass[active]
        counts[active] += 1
        active = active[(cumulative[active] < target[active]) & (mass[active] > 1e-12)]
    return counts


def write_prepared_cells(path: Path, n: int, n_genes: int = 2000, density: float = 0.07) -> None:
    """Write n cells without labels as a prepared dataset (CSR); all but the last hundred are training rows."""
    mean, dispersion = gene_parameters(n_genes, density)
    generator = np.random.default_rng(n)
    chunks = [draw_counts(generator, min(CHUNK, n - start), mean, dispersion) for start in range(0, n, CHUNK)]
    counts = sparse.vstack(chunks, format="csr", dtype=np.float32)
    total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)
    split = pd.Categorical(np.where(np.arange(n) < n - 100, "train", "test"))
    obs = pd.DataFrame({"split": split, "total": total}, index=[f"cell {i}" for i in range(n)])
    adata = anndata.AnnData(log_normalise(counts, total), obs=obs, layers={"counts": counts})
    adata.uns = {"name": "Simulated", "likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
    with write_atomically(path) as temporary:
        adata.write_h5ad(temporary)
