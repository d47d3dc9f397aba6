"""Step: two coordinates for figures, by UMAP, of the latents of a task's models.

Source: McInnes et al. 2018.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import pick_seed, read_latent
from gmvae.formats.writing import write_csv
from gmvae.metrics.light_umap import reduce_dimensions
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

N_ROWS = 2000
N_NEIGHBOURS = 15
MIN_DIST = 0.5  # keeps the points of a cluster apart


def project(data: Path, latents: list[Path], models: list[str], output: Path, seed: int = 0) -> None:
    """Project the latent of each model of a task to the plane, on the same rows of the dataset.

    The latent is that of the model's picked seed. Models with equal latents get equal coordinates.

    Args:
        data: The dataset, .h5ad.
        latents: One latent.h5ad per model.
        models: Names of the models, in the same order.
        output: csv to write, with the columns row, model, seed (the picked one), u and v.
        seed: Seed of UMAP.

    Raises:
        Refused: The numbers of latents and models differ, or a latent has other rows than the dataset.
    """
    if len(latents) != len(models):
        raise Refused(f"--latents has {len(latents)} files, --models has {len(models)} names; give one name per file")
    names = load_dataset(data).obs_names
    rows = fixed_rows(len(names))
    tables, planes = [], {}  # coordinates by the bytes of the latent
    for path, model in zip(latents, models, strict=True):
        run = read_latent(path)
        if not run.obs_names.equals(names):
            raise Refused(f"{path} has other rows than {data}: run the step `embed` or `baseline` again")
        picked = pick_seed(run)
        z = np.ascontiguousarray(run.obsm[f"z_{picked}"][rows], dtype=np.float32)
        if z.tobytes() not in planes:
            planes[z.tobytes()] = umap_plane(z, seed)
        u, v = planes[z.tobytes()].T
        tables.append(pd.DataFrame({"row": names[rows], "model": model, "seed": picked, "u": u, "v": v}))
    write_csv(pd.concat(tables), output)


def fixed_rows(n: int) -> np.ndarray:
    """Sorted positions of up to 2,000 of n rows; the choice depends on n only."""
    return np.sort(np.random.default_rng(0).permutation(n)[:N_ROWS])


def umap_plane(z: np.ndarray, seed: int) -> np.ndarray:
    """UMAP coordinates [n, 2] of points [n, L]; for few points or one dimension, the first two coordinates instead."""
    if len(z) <= 4 or z.shape[1] == 1:
        return np.pad(z, ((0, 0), (0, 1)))[:, :2]
    ((plane, _),) = reduce_dimensions(z, z[:0], [seed], n_neighbors=min(N_NEIGHBOURS, len(z) - 1), min_dist=MIN_DIST)
    return plane


if __name__ == "__main__":
    run_step(project)
