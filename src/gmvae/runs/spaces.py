"""The spaces that baselines work in: the data, its principal components, its UMAP, or another run's latent."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.data.principal_components import principal_axes
from gmvae.formats.latent import read_latent, run_seeds, showcase_rows
from gmvae.pipeline.errors import Refused

SETTINGS = {"pca": {"n_dimensions": 10}, "umap": {"n_dimensions": 10}}  # and their defaults


def fill_space(
    run: anndata.AnnData, adata: anndata.AnnData, space: str, latent: Path | None, **settings: int
) -> dict[int, np.ndarray]:
    """Put the space of each seed into the run, z_{seed} [N, L], and return them by seed."""
    seeds = run_seeds(run)
    x = adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)
    if space == "data":
        points = dict.fromkeys(seeds, x)
    elif space == "pca":
        points = dict.fromkeys(seeds, principal_components(run, x, **settings))
    elif space == "umap":
        points = umap_by_seed(run, x, **settings)
    else:
        points = latents_by_seed(run, space, latent)
    for seed in seeds:
        run.obsm[f"z_{seed}"] = points[seed].astype(np.float32)
    return points


def principal_components(run: anndata.AnnData, x: np.ndarray, n_dimensions: int) -> np.ndarray:
    """Principal components [N, L] of x [N, D].

    The space alone (no clustering) also gets what it reconstructs, and minus the squared error as its objective.
    """
    train = (run.obs["split"] == "train").to_numpy()
    check_dimensions(run, n_dimensions, min(train.sum() - 1, x.shape[1]), "principal components")
    mean, axes = principal_axes(x[train], n_dimensions)
    z = (x - mean) @ axes
    if run.uns["baseline"] == "none":
        reconstruction = mean + z @ axes.T
        rows = showcase_rows(run)
        shown = reconstruction[rows].astype(np.float32)
        run.uns["showcase"] = {"rows": rows} | {f"reconstruction_{seed}": shown for seed in run_seeds(run)}
        for seed in run_seeds(run):
            run.obsm[f"terms_{seed}"] = objective_frame(run, -np.square(x - reconstruction).sum(axis=1))
    return z


def umap_by_seed(run: anndata.AnnData, x: np.ndarray, n_dimensions: int) -> dict[int, np.ndarray]:
    """UMAP coordinates [N, L] of x [N, D] by seed."""
    from gmvae.runs.baselines.umap_coordinates import (
        umap_coordinates,  # takes seconds to import, which only this space should cost
    )

    train = (run.obs["split"] == "train").to_numpy()
    check_dimensions(run, n_dimensions, train.sum() - 2, "UMAP coordinates")
    return {seed: umap_coordinates(x, train, n_dimensions, seed) for seed in run_seeds(run)}


def latents_by_seed(run: anndata.AnnData, space: str, latent: Path | None) -> dict[int, np.ndarray]:
    """The latents of another run by seed, in the order of this run's rows."""
    if latent is None:
        raise Refused(f"--latent is missing: the space {space} is another run's, name its latent.h5ad")
    other = read_latent(latent)
    if not other.obs_names.equals(run.obs_names):
        raise Refused(f"{latent} has other rows than the data set: run the step `embed` for {space} again")
    lacking = sorted(set(run_seeds(run)) - set(run_seeds(other)))
    if lacking:
        raise Refused(f"{latent} lacks the seeds {lacking}, it has {run_seeds(other)}: train {space} with all seeds")
    return {seed: np.asarray(other.obsm[f"z_{seed}"], dtype=np.float64) for seed in run_seeds(run)}


def check_dimensions(run: anndata.AnnData, n_dimensions: int, most: int, what: str) -> None:
    """Raise Refused where the data set has not as many dimensions as are asked for."""
    if not 1 <= n_dimensions <= most:
        raise Refused(
            f"model {run.uns['model']}: settings.n_dimensions is {n_dimensions}, the training rows have 1 to {most} "
            f"{what}: change it in config.yaml"
        )


def objective_frame(run: anndata.AnnData, objective: np.ndarray) -> pd.DataFrame:
    """The frame of terms of a run that has nothing but an objective [N]."""
    return pd.DataFrame({"objective": objective}, index=run.obs_names)
