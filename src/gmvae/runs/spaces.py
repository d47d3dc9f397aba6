"""The spaces that baselines work in: the data, its principal components, its UMAP, or another run's latent space."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.data.principal_components import principal_axes
from gmvae.formats.latent import read_latent, run_seeds, showcase_rows
from gmvae.pipeline.errors import Refused

SETTINGS = {"pca": {"n_dimensions": 10}, "umap": {"n_dimensions": 10}}  # with their defaults


def fill_space(
    run: anndata.AnnData, adata: anndata.AnnData, space: str, latent: Path | None, **settings: int
) -> dict[int, np.ndarray]:
    """Compute the space of each seed, and store it in the run.

    Args:
        run: The run [N rows]; obsm["z_{seed}"] is set in float32.
        adata: The dataset [N, D].
        space: `data`, `pca`, `umap`, or the name of another run.
        latent: The latent.h5ad of that other run.
        settings: `n_dimensions` of `pca` and `umap`.

    Returns:
        Points [N, L] by seed.

    Raises:
        Refused: The data allow fewer dimensions, or the other run is missing or has other rows or seeds.
    """
    seeds = run_seeds(run)
    x = adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)
    if space == "data":
        points = dict.fromkeys(seeds, x)
    elif space == "pca":
        points = dict.fromkeys(seeds, project_on_axes(run, x, **settings))
    elif space == "umap":
        points = umap_by_seed(run, x, **settings)
    else:
        points = latents_by_seed(run, space, latent)
    for seed in seeds:
        run.obsm[f"z_{seed}"] = points[seed].astype(np.float32)
    return points


def project_on_axes(run: anndata.AnnData, x: np.ndarray, n_dimensions: int) -> np.ndarray:
    """Principal components [N, L] of x [N, D].

    A run without a clustering also gets some reconstructions, and minus the squared error as its objective.
    """
    train = (run.obs["split"] == "train").to_numpy()
    check_dimensions(run, n_dimensions, min(train.sum() - 1, x.shape[1]), "principal components")
    mean, axes = principal_axes(x[train], n_dimensions)
    z = (x - mean) @ axes
    if run.uns["baseline"] == "none":
        add_reconstructions(run, x, mean + z @ axes.T)
    return z


def add_reconstructions(run: anndata.AnnData, x: np.ndarray, reconstruction: np.ndarray) -> None:
    """Store the showcase and the objective of a space that reconstructs x [N, D]."""
    rows = showcase_rows(run)
    shown = reconstruction[rows].astype(np.float32)
    run.uns["showcase"] = {"rows": rows} | {f"reconstruction_{seed}": shown for seed in run_seeds(run)}
    for seed in run_seeds(run):
        run.obsm[f"terms_{seed}"] = objective_frame(run, -np.square(x - reconstruction).sum(axis=1))


def umap_by_seed(run: anndata.AnnData, x: np.ndarray, n_dimensions: int) -> dict[int, np.ndarray]:
    """UMAP coordinates [N, L] of x [N, D] by seed."""
    # The import takes seconds, which only this space should cost.
    from gmvae.runs.baselines.umap_coordinates import umap_coordinates

    train = (run.obs["split"] == "train").to_numpy()
    check_dimensions(run, n_dimensions, train.sum() - 2, "UMAP coordinates")
    return umap_coordinates(x, train, n_dimensions, run_seeds(run))


def latents_by_seed(run: anndata.AnnData, space: str, latent: Path | None) -> dict[int, np.ndarray]:
    """The latents [N, L] of another run by seed, in the order of this run's rows."""
    if latent is None:
        raise Refused(f"--latent is missing: the space {space} is another run's, give its latent.h5ad")
    source = read_latent(latent)
    if not source.obs_names.equals(run.obs_names):
        raise Refused(f"{latent} has other rows than the dataset: run the step `embed` for {space} again")
    missing = sorted(set(run_seeds(run)) - set(run_seeds(source)))
    if missing:
        raise Refused(f"{latent} lacks the seeds {missing}, it has {run_seeds(source)}: train {space} with all seeds")
    return {seed: np.asarray(source.obsm[f"z_{seed}"], dtype=np.float64) for seed in run_seeds(run)}


def check_dimensions(run: anndata.AnnData, n_dimensions: int, most: int, what: str) -> None:
    """Raise Refused where the data allow fewer dimensions."""
    if not 1 <= n_dimensions <= most:
        raise Refused(
            f"model {run.uns['model']}: settings.n_dimensions is {n_dimensions}, the training rows allow 1 to {most} "
            f"{what}: change it in config.yaml"
        )


def objective_frame(run: anndata.AnnData, objective: np.ndarray) -> pd.DataFrame:
    """Build the terms of a run that has an objective only.

    Args:
        run: The run [N rows].
        objective: Objective of each row [N].

    Returns:
        A frame [N] with the column `objective`, for obsm["terms_{seed}"].
    """
    return pd.DataFrame({"objective": objective}, index=run.obs_names)
