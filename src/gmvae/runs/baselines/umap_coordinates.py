"""UMAP (McInnes et al. 2018) as a space to cluster in: neighbours lie close together, as clustering needs.

Step `project` uses UMAP for another purpose, a picture: two dimensions, points kept apart, and all rows in the fit.
Importing this module takes seconds.
"""

import numpy as np
import umap

N_NEIGHBOURS = 20


def umap_coordinates(x: np.ndarray, train: np.ndarray, n_dimensions: int, seed: int) -> np.ndarray:
    """Fit UMAP to the training rows, and place the other rows among them.

    Args:
        x: Rows [N, D].
        train: Mask of the training rows [N].
        n_dimensions: Number of dimensions L.
        seed: Seed of the fit and of the placing.

    Returns:
        Coordinates [N, L] in float32.
    """
    reducer = umap.UMAP(
        n_components=n_dimensions,
        n_neighbors=min(N_NEIGHBOURS, int(train.sum()) - 1),
        min_dist=0.0,
        random_state=seed,
        transform_seed=seed,
        n_jobs=1,
    )
    z = np.empty((len(x), n_dimensions), dtype=np.float32)
    z[train] = reducer.fit_transform(x[train])
    if not train.all():
        z[~train] = reducer.transform(x[~train])
    return z
