"""Which genes are modelled: those that vary most for their mean, chosen on training rows, batch by batch.

The measure is that of Seurat (Satija et al. 2015) as scanpy has it: of library-size-normalised counts, the logarithm
of variance by mean, as a z-score among the genes whose mean is alike. It needs two sums per gene and batch, so that one
pass over blocks of rows is enough for any number of cells.
"""

import numpy as np
import pandas as pd

from gmvae.data.normalisation import SIZE_FACTOR
from gmvae.data.row_blocks import Counts, iterate_blocks
from gmvae.pipeline.errors import Refused

BINS = 20  # of genes by mean


def choose_genes(counts: Counts, total: np.ndarray, groups: np.ndarray, min_cells: int, n_top_genes: int) -> np.ndarray:
    """A mask [D] of the n_top_genes most variable genes, among those that are seen in min_cells cells.

    counts [N, D], their totals [N], and each cell's group [N]: its batch, or -1 for a cell that has no say.
    """
    present = np.unique(groups[groups >= 0])
    numbered = np.searchsorted(present, groups) * (groups >= 0) - (groups < 0)
    n_cells, first, second = gene_sums(counts, total, numbered)
    seen = n_cells.sum(axis=0) >= min_cells
    if not seen.any():
        raise Refused(f"cells: no gene is seen in {min_cells} cells; lower min_cells under cells")
    sizes = np.bincount(numbered[numbered >= 0])
    scores = np.stack([dispersions(a[seen], b[seen], n) for a, b, n in zip(first, second, sizes, strict=True)])
    genes = np.zeros(len(seen), dtype=bool)
    genes[np.flatnonzero(seen)[most_variable(scores, n_top_genes)]] = True
    return genes


def gene_sums(counts: Counts, total: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """For each group and gene [3, G, D]: cells with a count, the sum of normalised counts, and that of their squares.

    counts [N, D], their totals [N], and each row's group [N], numbered from 0; rows of group -1 are not looked at.
    """
    n_groups, n_genes = int(groups.max()) + 1, counts.shape[1]
    found = np.zeros((3, n_groups * n_genes))
    for rows, block in iterate_blocks(counts, groups >= 0):
        lengths = np.diff(block.indptr)
        place = block.indices + n_genes * np.repeat(groups[rows], lengths).astype(np.int64)
        values = block.data * np.repeat(SIZE_FACTOR / total[rows], lengths)
        for k, weights in enumerate((None, values, values * values)):
            found[k] += np.bincount(place, weights, minlength=found.shape[1])
    return found.reshape(3, n_groups, n_genes)


def dispersions(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """The normalised dispersion [D] of genes in one group of n cells, from the sums of values [D] and squares [D].

    NaN for a gene without a count there.
    """
    mean = first / n
    variance = (second - n * mean**2) / max(n - 1, 1)
    genes = pd.DataFrame({"mean": mean, "variance": variance})[mean > 0]
    ratio = genes["variance"] / genes["mean"]
    logarithm = np.log(ratio.where(ratio > 0))
    alike = logarithm.groupby(pd.cut(np.log1p(genes["mean"]), BINS), observed=True)
    centre, spread = alike.transform("mean"), alike.transform("std")
    score = ((logarithm - centre) / spread).where(spread.notna(), 1.0)  # alone in its bin, a gene counts as one spread
    return score.where(logarithm.notna()).reindex(range(len(mean))).to_numpy()


def most_variable(scores: np.ndarray, n: int) -> np.ndarray:
    """A mask [D] of n genes by their dispersions in groups [G, D]: high in most groups first, then highest on average.

    High in a group are the n highest there. Ties go to the gene that stands first.
    """
    n_genes = scores.shape[1]
    if n >= n_genes:
        return np.ones(n_genes, dtype=bool)
    ranked = np.where(np.isnan(scores), -np.inf, scores)
    limits = np.sort(ranked, axis=1)[:, n_genes - n]
    votes = ((ranked >= limits[:, None]) & (ranked > -np.inf)).sum(axis=0)
    average = np.nan_to_num(scores).mean(axis=0)
    mask = np.zeros(n_genes, dtype=bool)
    mask[np.lexsort((np.arange(n_genes), -average, -votes))[:n]] = True
    return mask
