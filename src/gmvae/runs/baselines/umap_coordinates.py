"""UMAP (McInnes et al. 2018) as a space to cluster in: neighbours packed densely, as clusterings on it are used.

Apart from step `project` because its use is another: more dimensions, no distance kept between points, and rows that
had no part in the fit. Importing it takes seconds.
"""

import numpy as np
import umap

N_NEIGHBOURS = 20


def umap_coordinates(x: np.ndarray, train: np.ndarray, n_dimensions: int, seed: int) -> np.ndarray:
    """Coordinates [N, n_dimensions] of x [N, D], fitted where the mask train [N] is true; others are placed after."""
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
