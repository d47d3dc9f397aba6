"""Quality of cells: what is measured on each, and which are left out by the thresholds of the config.

A cell is judged by itself and by fixed thresholds, so nothing is fitted here and no cell's fate hangs on another's. The
exception is the doublet score, which compares a cell with its like: it is computed within the training rows and within
the test rows, batch by batch.
"""

import anndata
import numpy as np
import pandas as pd
import scanpy
from scipy import sparse

from gmvae.data.row_blocks import Counts, iterate_blocks, select_counts
from gmvae.data.variable_genes import choose_genes

MITOCHONDRIAL = ("MT-", "mt-")  # how the names of their genes begin, human and mouse
LARGEST = 20_000  # cells of one batch for which doublets are simulated; above, they are not looked for
GENES = 2000  # that cells are compared in
SMALLEST = 100  # below, the neighbourhood of a cell says nothing


def measure_cells(counts: Counts, var_names: pd.Index) -> pd.DataFrame:
    """For each cell [N]: n_genes with a count, total of counts, and mito, the share of mitochondrial genes in them."""
    mitochondrial = var_names.str.startswith(MITOCHONDRIAL).astype(np.float64)
    found = pd.DataFrame({"n_genes": 0, "total": 0.0, "mito": 0.0}, index=range(counts.shape[0]))
    for rows, block in iterate_blocks(counts):
        total = np.asarray(block.sum(axis=1, dtype=np.float64)).ravel()
        found.iloc[rows, 0] = np.diff(block.indptr)
        found.iloc[rows, 1] = total
        found.iloc[rows, 2] = (block @ mitochondrial) / np.maximum(total, 1)
    return found


def removal_reasons(measured: pd.DataFrame, thresholds: dict[str, float | None]) -> np.ndarray:
    """Why each cell [N] is left out, '' if it is not: the first of the thresholds that it fails.

    thresholds: min_<measure> and max_<measure>, the allowed range with its ends; None where there is none.
    """
    found = np.full(len(measured), "", dtype=object)
    for key, threshold in thresholds.items():
        if threshold is not None:
            side, measure = key.split("_", maxsplit=1)
            values = measured[measure]
            outside = values < threshold if side == "min" else values > threshold
            found[(found == "") & outside.to_numpy()] = key
    return found


def doublet_scores(counts: Counts, total: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """The scrublet score [N] of each cell (Wolock, Lopez and Klein 2019), among the cells of its group in groups [N].

    NaN for a cell of group -1, and in groups of more than LARGEST or fewer than SMALLEST cells.
    """
    scores = np.full(counts.shape[0], np.nan)
    for group in np.unique(groups[groups >= 0]):
        cells = groups == group
        if SMALLEST <= cells.sum() <= LARGEST:
            genes = choose_genes(counts, total, np.where(cells, 0, -1), min_cells=3, n_top_genes=GENES)
            scores[cells] = scrublet_scores(select_counts(counts, cells, genes), seed)
    return scores


def scrublet_scores(counts: sparse.csr_matrix, seed: int) -> np.ndarray:
    """The score [n] of each cell from counts [n, genes]: how many of its neighbours are sums of two random cells."""
    observed = anndata.AnnData(counts)
    simulated = scanpy.pp.scrublet_simulate_doublets(observed, random_seed=seed)
    for cells in observed, simulated:
        scanpy.pp.normalize_total(cells, target_sum=1e6)
    # The threshold decides nothing here, but without one scanpy asks for another package. Neighbours are exact at every
    # size: the approximate ones of this scanpy fail with this scipy.
    options = {"threshold": 1.0, "use_approx_neighbors": False, "random_state": seed, "verbose": False}
    with np.errstate(invalid="ignore"):  # no doublet is called at that threshold: a rate of 0 by 0
        scanpy.pp.scrublet(observed, simulated, **options)
    return observed.obs["doublet_score"].to_numpy()
