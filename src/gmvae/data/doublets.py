"""Doublets: the scrublet score of each cell among the cells of its batch and split, and which cells have none."""

import anndata
import numpy as np
import scanpy
from scipy import sparse

from gmvae.data.row_blocks import Counts, select_counts
from gmvae.data.variable_genes import choose_genes

LARGEST = 20_000  # cells of a group; larger groups get no doublet scores
GENES = 2000  # in which cells are compared
SMALLEST = 100  # cells of a group; in smaller groups the neighbours of a cell tell nothing
COMPONENTS = 30  # principal components in which scrublet compares cells; it needs more genes than these


def doublet_scores(counts: Counts, total: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Compute the scrublet score of each cell among the cells of its group.

    Args:
        counts: Raw counts [N, D].
        total: Total count of each cell [N].
        groups: Number of each cell's group [N]; -1 excludes a cell.
        seed: Seed of the simulated doublets.

    Returns:
        Scores [N]; NaN for excluded cells, in groups of more than LARGEST or fewer than SMALLEST cells, in groups with
        counts of no more than COMPONENTS genes, and where scrublet returns no finite number.

    Source: Wolock, Lopez and Klein 2019.
    """
    scores = np.full(counts.shape[0], np.nan)
    for group in np.unique(groups[groups >= 0]):
        cells = groups == group
        if SMALLEST <= cells.sum() <= LARGEST:
            genes = choose_genes(counts, total, np.where(cells, 0, -1), min_cells=3, n_top_genes=GENES)
            if genes.sum() > COMPONENTS:
                scores[cells] = scrublet_scores(select_counts(counts, cells, genes), seed)
    return np.where(np.isfinite(scores), scores, np.nan)


def scrublet_scores(counts: sparse.csr_matrix, seed: int) -> np.ndarray:
    """Scores [n] of cells with counts [n, genes], or NaN: how many neighbours of a cell are sums of two random ones."""
    observed = anndata.AnnData(counts)
    simulated = scanpy.pp.scrublet_simulate_doublets(observed, random_seed=seed)
    for cells in observed, simulated:
        scanpy.pp.normalize_total(cells, target_sum=1e6)
    # No doublet is called by the threshold, but without one scanpy needs another package. The neighbours are exact: the
    # approximate ones of this version of scanpy fail with this version of scipy.
    options = {"threshold": 1.0, "use_approx_neighbors": False, "random_state": seed, "verbose": False}
    with np.errstate(invalid="ignore"):  # no doublet is called: scanpy divides 0 by 0
        try:
            scanpy.pp.scrublet(observed, simulated, **options)
        except ValueError:  # genes that do not vary leave no principal components
            return np.full(counts.shape[0], np.nan)
    return observed.obs["doublet_score"].to_numpy()


def describe_unscored(scores: np.ndarray, groups: np.ndarray, names: dict[int, str]) -> str:
    """Say how many cells of each group have no score, and why.

    Args:
        scores: Scores [N], as `doublet_scores` returns them.
        groups: Number of each cell's group [N]; -1 excludes a cell.
        names: The name of each group.

    Returns:
        One line; "" where every cell that is not excluded has a score.
    """
    parts = []
    for group in np.unique(groups[groups >= 0]):
        unscored = np.isnan(scores[groups == group])
        if unscored.any():
            reason = f"at most {COMPONENTS} genes with a count, or no finite score"
            if len(unscored) < SMALLEST:
                reason = f"fewer than {SMALLEST} cells"
            elif len(unscored) > LARGEST:
                reason = f"more than {LARGEST:,} cells"
            parts.append(f"{unscored.sum():,} of {len(unscored):,} in {names[int(group)]} ({reason})")
    return ", ".join(parts)
