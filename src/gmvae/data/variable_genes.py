"""Which genes are modelled: those that vary most for their mean, chosen on training rows, batch by batch.

The measure is that of Seurat (Satija et al. 2015) as scanpy computes it: the logarithm of variance by mean of
library-size-normalised counts, as a z-score among the genes with a similar mean. It needs two sums per gene and batch,
so that one pass over blocks of rows is enough for any number of cells.
"""

import numpy as np
import pandas as pd

from gmvae.data.normalisation import SIZE_FACTOR
from gmvae.data.row_blocks import Counts, iterate_blocks
from gmvae.pipeline.errors import Refused

BINS = 20  # of genes by mean


def choose_genes(counts: Counts, total: np.ndarray, groups: np.ndarray, min_cells: int, n_top_genes: int) -> np.ndarray:
    """Choose the most variable genes among those that enough cells express.

    Args:
        counts: Counts [N, D].
        total: Total count of each cell [N].
        groups: Number of each cell's batch [N]; -1 excludes a cell.
        min_cells: Smallest number of cells with a count of the gene.
        n_top_genes: Number of genes to choose.

    Returns:
        A mask of the chosen genes [D].

    Raises:
        Refused: No gene has a count in that many cells.
    """
    batches = np.unique(groups[groups >= 0])
    numbers = np.searchsorted(batches, groups) * (groups >= 0) - (groups < 0)  # from 0 without gaps; -1 stays
    n_cells, sums, squares = gene_sums(counts, total, numbers)
    expressed = n_cells.sum(axis=0) >= min_cells
    if not expressed.any():
        raise Refused(f"cells: no gene has a count in {min_cells} cells; lower min_cells under cells")
    sizes = np.bincount(numbers[numbers >= 0])
    scores = [
        dispersions(batch_sums[expressed], batch_squares[expressed], n)
        for batch_sums, batch_squares, n in zip(sums, squares, sizes, strict=True)
    ]
    mask = np.zeros(len(expressed), dtype=bool)
    mask[np.flatnonzero(expressed)[most_variable(np.stack(scores), n_top_genes)]] = True
    return mask


def gene_sums(counts: Counts, total: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sum up each gene in each group of cells.

    Args:
        counts: Counts [N, D].
        total: Total count of each cell [N].
        groups: Number of each cell's group [N], from 0; -1 excludes a cell.

    Returns:
        For each group and gene [3, G, D]: number of cells with a count, sum of the normalised counts, and sum of their
        squares.
    """
    n_groups, n_genes = int(groups.max()) + 1, counts.shape[1]
    sums = np.zeros((3, n_groups * n_genes))
    for rows, block in iterate_blocks(counts, groups >= 0):
        lengths = np.diff(block.indptr)
        places = block.indices + n_genes * np.repeat(groups[rows], lengths).astype(np.int64)
        values = block.data * np.repeat(SIZE_FACTOR / total[rows], lengths)
        for k, weights in enumerate((None, values, values * values)):
            sums[k] += np.bincount(places, weights, minlength=sums.shape[1])
    return sums.reshape(3, n_groups, n_genes)


def dispersions(sums: np.ndarray, squares: np.ndarray, n: int) -> np.ndarray:
    """Normalised dispersions of genes [D] in a group of n cells, from the sums of values and of squares [D] twice.

    NaN for a gene without a count in the group.
    """
    mean = sums / n
    variance = (squares - n * mean**2) / max(n - 1, 1)
    genes = pd.DataFrame({"mean": mean, "variance": variance})[mean > 0]
    ratio = genes["variance"] / genes["mean"]
    logarithm = np.log(ratio.where(ratio > 0))
    bins = logarithm.groupby(pd.cut(np.log1p(genes["mean"]), BINS), observed=True)
    centre, spread = bins.transform("mean"), bins.transform("std")
    score = ((logarithm - centre) / spread).where(spread.notna(), 1.0)  # a gene alone in its bin scores one
    return score.where(logarithm.notna()).reindex(range(len(mean))).to_numpy()


def most_variable(scores: np.ndarray, n: int) -> np.ndarray:
    """A mask of n genes [D] by their dispersions in groups [G, D]: high in most groups first, then highest on average.

    A gene is high in a group if it is among the n highest there. Ties go to the gene that comes first.
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
