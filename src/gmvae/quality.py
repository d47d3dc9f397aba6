"""Quality of cells: what is measured on each, and which are left out by the thresholds of the config.

A cell is judged by itself and by fixed thresholds, so nothing is fitted here and no cell's fate hangs on another's. The
exception is the doublet score, which compares a cell with its like: it is computed within the training rows and within
the test rows, batch by batch.
"""

import anndata
import numpy as np
import pandas as pd
import scanpy

from gmvae.blocks import Counts, blocks, selected

MITOCHONDRIAL = ("MT-", "mt-")  # how the names of their genes begin, human and mouse
LARGEST = 20_000  # cells of one batch for which doublets are simulated; above, they are not looked for
SMALLEST = 100  # below, the neighbourhood of a cell says nothing


def measures(counts: Counts, var_names: pd.Index) -> pd.DataFrame:
    """For each cell [N]: n_genes with a count, total of counts, and mito, the share of mitochondrial genes in them."""
    mitochondrial = var_names.str.startswith(MITOCHONDRIAL).astype(np.float64)
    found = pd.DataFrame({"n_genes": 0, "total": 0.0, "mito": 0.0}, index=range(counts.shape[0]))
    for rows, block in blocks(counts):
        total = np.asarray(block.sum(axis=1, dtype=np.float64)).ravel()
        found.iloc[rows, 0] = np.diff(block.indptr)
        found.iloc[rows, 1] = total
        found.iloc[rows, 2] = (block @ mitochondrial) / np.maximum(total, 1)
    return found


def reasons(measured: pd.DataFrame, thresholds: dict[str, float | None]) -> np.ndarray:
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


def doublet_scores(counts: Counts, groups: np.ndarray, seed: int) -> np.ndarray:
    """The scrublet score [N] of each cell, by groups [N] of cells that are compared; NaN where groups is -1.

    NaN too for a group of more than LARGEST or fewer than SMALLEST cells (Wolock, Lopez and Klein 2019).
    """
    scores = np.full(counts.shape[0], np.nan)
    everything = np.ones(counts.shape[1], dtype=bool)
    for group in np.unique(groups[groups >= 0]):
        cells = groups == group
        if SMALLEST <= cells.sum() <= LARGEST:
            compared = anndata.AnnData(selected(counts, cells, everything))
            # The threshold decides nothing here: scanpy must be given one, or it asks for another package.
            with np.errstate(invalid="ignore"):  # at such a threshold no doublet is called: a rate of 0 by 0
                scanpy.pp.scrublet(compared, threshold=1.0, random_state=seed, verbose=False)
            scores[cells] = compared.obs["doublet_score"]
    return scores
