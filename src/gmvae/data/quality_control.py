"""Quality of cells: what is measured on each cell, and which cells the thresholds of the config remove.

A cell is judged by itself and by fixed thresholds: nothing is fitted here, and no cell affects another. The exception
is the doublet score, which compares a cell with similar ones: it is computed within the training rows and within the
test rows, batch by batch.
"""

import anndata
import numpy as np
import pandas as pd
import scanpy
from scipy import sparse

from gmvae.data.row_blocks import Counts, iterate_blocks, select_counts
from gmvae.data.variable_genes import choose_genes

MITOCHONDRIAL = ("MT-", "mt-")  # how the names of mitochondrial genes begin, human and mouse
LARGEST = 20_000  # cells of a group; larger groups get no doublet scores
GENES = 2000  # in which cells are compared
SMALLEST = 100  # cells of a group; in smaller groups the neighbours of a cell tell nothing


def measure_cells(counts: Counts, var_names: pd.Index) -> pd.DataFrame:
    """Measure the quality of each cell.

    Args:
        counts: Raw counts [N, D].
        var_names: Names of the genes [D].

    Returns:
        For each cell [N]: `n_genes` with a count, `total` of its counts, and `mito`, the share of mitochondrial genes
        in that total.
    """
    mitochondrial = var_names.str.startswith(MITOCHONDRIAL).astype(np.float64)
    measures = pd.DataFrame({"n_genes": 0, "total": 0.0, "mito": 0.0}, index=range(counts.shape[0]))
    for rows, block in iterate_blocks(counts):
        total = np.asarray(block.sum(axis=1, dtype=np.float64)).ravel()
        measures.iloc[rows, 0] = np.diff(block.indptr)
        measures.iloc[rows, 1] = total
        measures.iloc[rows, 2] = (block @ mitochondrial) / np.maximum(total, 1)
    return measures


def removal_reasons(measures: pd.DataFrame, thresholds: dict[str, float | None]) -> np.ndarray:
    """Compare the measures of each cell with the thresholds.

    Args:
        measures: Measures of each cell [N].
        thresholds: `min_<measure>` and `max_<measure>`, both still allowed; None for no threshold.

    Returns:
        For each cell [N] the first threshold that it fails, '' if it fails none.
    """
    reasons = np.full(len(measures), "", dtype=object)
    for key, threshold in thresholds.items():
        if threshold is not None:
            side, measure = key.split("_", maxsplit=1)
            values = measures[measure]
            outside = values < threshold if side == "min" else values > threshold
            reasons[(reasons == "") & outside.to_numpy()] = key
    return reasons


def doublet_scores(counts: Counts, total: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Compute the scrublet score of each cell among the cells of its group.

    Args:
        counts: Raw counts [N, D].
        total: Total count of each cell [N].
        groups: Number of each cell's group [N]; -1 excludes a cell.
        seed: Seed of the simulated doublets.

    Returns:
        Scores [N]; NaN for excluded cells, and in groups of more than LARGEST or fewer than SMALLEST cells.

    Source: Wolock, Lopez and Klein 2019.
    """
    scores = np.full(counts.shape[0], np.nan)
    for group in np.unique(groups[groups >= 0]):
        cells = groups == group
        if SMALLEST <= cells.sum() <= LARGEST:
            genes = choose_genes(counts, total, np.where(cells, 0, -1), min_cells=3, n_top_genes=GENES)
            scores[cells] = scrublet_scores(select_counts(counts, cells, genes), seed)
    return scores


def scrublet_scores(counts: sparse.csr_matrix, seed: int) -> np.ndarray:
    """Scores [n] of cells with counts [n, genes]: how many neighbours of a cell are sums of two random cells."""
    observed = anndata.AnnData(counts)
    simulated = scanpy.pp.scrublet_simulate_doublets(observed, random_seed=seed)
    for cells in observed, simulated:
        scanpy.pp.normalize_total(cells, target_sum=1e6)
    # No doublet is called by the threshold, but without one scanpy needs another package. The neighbours are exact: the
    # approximate ones of this version of scanpy fail with this version of scipy.
    options = {"threshold": 1.0, "use_approx_neighbors": False, "random_state": seed, "verbose": False}
    with np.errstate(invalid="ignore"):  # no doublet is called: scanpy divides 0 by 0
        scanpy.pp.scrublet(observed, simulated, **options)
    return observed.obs["doublet_score"].to_numpy()
