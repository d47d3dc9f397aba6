"""UMAP (McInnes et al. 2018) as a space to cluster in: neighbours lie close together, as clustering needs.

Step `project` uses UMAP for another purpose, a picture: two dimensions, points kept apart, and all rows in the fit.
Importing this module takes seconds.
"""

import numpy as np

from gmvae.metrics.light_umap import reduce_dimensions

N_NEIGHBOURS = 20


def umap_coordinates(x: np.ndarray, train: np.ndarray, n_dimensions: int, seeds: list[int]) -> dict[int, np.ndarray]:
    """Fit UMAP to the training rows, and place the other rows among them.

    Args:
        x: Rows [N, D].
        train: Mask of the training rows [N].
        n_dimensions: Number of dimensions L.
        seeds: Seeds of the fit and of the placing.

    Returns:
        Coordinates [N, L] in float32 by seed.
    """
    n_neighbours = min(N_NEIGHBOURS, int(train.sum()) - 1)
    settings = {"n_components": n_dimensions, "n_neighbors": n_neighbours, "min_dist": 0.0}
    coordinates = {}
    for seed, (fitted, placed) in zip(seeds, reduce_dimensions(x[train], x[~train], seeds, **settings), strict=True):
        coordinates[seed] = np.empty((len(x), n_dimensions), dtype=np.float32)
        coordinates[seed][train], coordinates[seed][~train] = fitted, placed
    return coordinates
