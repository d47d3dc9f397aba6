"""Where cells lie on a map: UMAP of their latents, of a part of them where there are many."""

import numpy as np

from gmvae.metrics.project import umap_plane

FITTED = 50_000  # cells that UMAP is fitted to: its time grows with their number
NEAREST = 5  # cells that another one is placed among
SEED = 0  # as in the step `project`: up to 2,000 cells lie where the figures of the thesis show them


def place_cells(z: np.ndarray, n_fitted: int = FITTED) -> np.ndarray:
    """Find two coordinates for each cell.

    Args:
        z: Latents of the cells [N, L], float32.
        n_fitted: Largest number of cells that UMAP is fitted to. They are drawn at random, always the same of N; each
            other cell gets the median coordinates of the five of them that are nearest to it in the latent space.

    Returns:
        Coordinates [N, 2] in float32.

    Source: McInnes et al. 2018.
    """
    if len(z) <= n_fitted:
        return umap_plane(z, SEED).astype(np.float32)
    from scipy.spatial import cKDTree  # a slow import, for many cells only

    rows = np.sort(np.random.default_rng(0).permutation(len(z))[:n_fitted])
    fitted = umap_plane(np.ascontiguousarray(z[rows]), SEED).astype(np.float32)
    _, nearest = cKDTree(z[rows]).query(z, k=min(NEAREST, n_fitted))
    plane = np.median(fitted[nearest.reshape(len(z), -1)], axis=1).astype(np.float32)
    plane[rows] = fitted
    return plane
