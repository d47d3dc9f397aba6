"""UMAP without the time around it: compiled once a machine, and all distances of few points computed at once.

Source: McInnes et al. 2018.
"""

import numpy as np
import umap
from umap import layouts, umap_, utils

N_EXACT = 4096  # rows: UMAP itself compares all pairs of fewer, with one call of Python each
# What numba would otherwise compile in every process, ten seconds long; umap-learn keeps only some of its functions.
COMPILED = (
    utils.fast_knn_indices,
    utils.submatrix,
    umap_.smooth_knn_dist,
    umap_.compute_membership_strengths,
    layouts._nb_optimize_layout_euclidean_single_epoch,
)
for function in COMPILED:
    function.enable_caching()  # on disk, where numba keeps what umap-learn lets it keep


def reduce_dimensions(train: np.ndarray, others: np.ndarray, seeds: list[int], **settings) -> list[list[np.ndarray]]:
    """Fit UMAP to some rows, and place other rows among them.

    Args:
        train: The rows of the fit, [n, D].
        others: The other rows, [m, D]; there may be none.
        seeds: Seeds of the fits and of the placing; the distances are computed once for all.
        settings: Keyword arguments of umap.UMAP.

    Returns:
        For each seed, coordinates of the rows of the fit, [n, L], and of the other rows, [m, L], in float32.
    """
    if len(train) < N_EXACT:
        settings["metric"] = "precomputed"
        train, others = pair_distances(train, train), pair_distances(others, train)
    planes = []
    for seed in seeds:
        reducer = umap.UMAP(random_state=seed, transform_seed=seed, n_jobs=1, **settings)
        fitted = reducer.fit_transform(train)
        planes.append([fitted, reducer.transform(others) if len(others) else fitted[:0]])
    return planes


def pair_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The Euclidean distances of rows [m, D] and rows [n, D], [m, n] in float64, with the roundings of UMAP's own."""
    distances = np.empty((len(x), len(y)))
    for row, point in zip(distances, x, strict=True):
        np.sqrt(np.square(y - point).sum(axis=1, dtype=np.float64), out=row)
    return distances
