"""Cells as sparse as real ones, at any number: each gene's counts from a negative binomial fitted to a real gene."""

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
    """Means and dispersions [n_genes] of a real set's genes, drawn with replacement, the means scaled to the density.

    The set is PBMC 3k from the mirror, or where there is none, pbmc68k_reduced.
    """
    raw = Path(os.environ.get("GMVAE_MIRROR") or "../shared/data", "pbmc3k")
    counts = (pbmc3k.read(raw) if raw.is_dir() else pbmc68k.read()).layers["counts"].astype(np.float64)
    mean = np.asarray(counts.mean(axis=0)).ravel()
    excess = np.asarray(counts.power(2).mean(axis=0)).ravel() - mean**2 - mean
    dispersion = np.where(excess > 0, mean**2 / np.where(excess > 0, excess, 1), 10.0)  # 10: nearly a Poisson
    drawn = np.random.default_rng(seed).choice(np.flatnonzero(mean), n_genes)
    mean, dispersion = mean[drawn], np.clip(dispersion[drawn], 0.05, 10)
    factor = brentq(lambda f: (1 - absent(f * mean, dispersion)).mean() - density, 1e-3, 1e3)
    return factor * mean, dispersion


def absent(mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """The probability of a count of 0 under the negative binomial: (1 + mean / dispersion) ** -dispersion."""
    return (1 + mean / dispersion) ** -dispersion


def chunk(generator: np.random.Generator, n: int, mean: np.ndarray, dispersion: np.ndarray) -> sparse.csr_matrix:
    """Counts [n, genes] of the negative binomials, with no dense matrix: where a gene is seen, then how often.

    Where: the cells of a gene that is seen in less than a tenth are drawn with replacement; the few that meet add up.
    """
    seen = 1 - absent(mean, dispersion)
    often = np.flatnonzero(seen > 0.1)
    masks = [np.flatnonzero(generator.random(n) < seen[gene]) for gene in often]
    rarely = np.setdiff1d(np.arange(len(mean)), often)
    times = generator.binomial(n, seen[rarely])
    genes = np.concatenate([np.repeat(often, [len(mask) for mask in masks]), np.repeat(rarely, times)])
    cells = np.concatenate([*masks, generator.integers(n, size=times.sum())])
    values = positive_counts(generator, mean[genes], dispersion[genes])
    return sparse.csr_matrix(sparse.coo_matrix((values, (cells, genes)), shape=(n, len(mean))))


def positive_counts(generator: np.random.Generator, mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """Draws [n] of negative binomials given that they are not 0, by inverting their distribution functions."""
    share = mean / (mean + dispersion)
    mass = absent(mean, dispersion)
    reached = mass.copy()
    target = mass + generator.random(len(mean)) * (1 - mass)
    counts = np.zeros(len(mean), dtype=np.float32)
    open_ones = np.arange(len(mean))
    while len(open_ones):
        k = counts[open_ones]
        mass[open_ones] *= (k + dispersion[open_ones]) / (k + 1) * share[open_ones]
        reached[open_ones] += mass[open_ones]
        counts[open_ones] += 1
        open_ones = open_ones[(reached[open_ones] < target[open_ones]) & (mass[open_ones] > 1e-12)]
    return counts


def write_cells(path: Path, n: int, n_genes: int = 2000, density: float = 0.07) -> None:
    """Write n cells as a prepared data set (CSR); all but a hundred are training rows. Without labels."""
    mean, dispersion = gene_parameters(n_genes, density)
    generator = np.random.default_rng(n)
    parts = [chunk(generator, min(CHUNK, n - start), mean, dispersion) for start in range(0, n, CHUNK)]
    counts = sparse.vstack(parts, format="csr", dtype=np.float32)
    total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)
    of_split = np.where(np.arange(n) < n - 100, "train", "test")
    obs = pd.DataFrame({"split": pd.Categorical(of_split), "total": total}, index=[f"cell {i}" for i in range(n)])
    adata = anndata.AnnData(log_normalise(counts, total), obs=obs, layers={"counts": counts})
    adata.uns = {"name": "Simulated", "likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
    with write_atomically(path) as temporary:
        adata.write_h5ad(temporary)
