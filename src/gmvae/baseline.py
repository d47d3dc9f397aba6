"""Runs without training of their own: a space and a clustering of it, handed on in the same form as any model's."""

import importlib
import time
from pathlib import Path
from types import ModuleType

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae import command, files
from gmvae import data as dataset
from gmvae import latent as runs
from gmvae.errors import Refused
from gmvae.pca import principal_axes
from gmvae.provenance import provenance as made_with


def baseline(
    data: Path,
    output: Path,
    provenance: Path,
    name: str,
    space: str,
    latent: Path | None,
    settings: dict,
    n_components: int,
    seeds: list[int],
    task: str,
    model: str,
) -> None:
    """Cluster a space without a model of one's own, once for each seed.

    Reads a data set, and the latent.h5ad of another run where the space is neither `data` nor `pca`; writes latent.h5ad
    and provenance.json. `name` is a file of src/gmvae/baselines, or `none` for the space alone.
    """
    start = time.perf_counter()
    adata = dataset.load(data)
    run = empty_run(adata, task, model, seeds, name, space)
    settings = dict(settings)
    n_dimensions = settings.pop("n_dimensions", 10) if space == "pca" else None
    points = spaces(run, adata, space, latent, n_dimensions)
    if name != "none":
        check(data, adata, name, n_components)
        method = importlib.import_module(f"gmvae.baselines.{name}")
        cluster(run, method, points, n_components, settings)
        run.uns["labels_observed"] = name == "truth"
    files.write_h5ad(run, output)
    seconds = time.perf_counter() - start
    chosen = settings | ({} if n_dimensions is None else {"n_dimensions": n_dimensions})
    files.write_json(made_with(chosen, seeds, "cpu", seconds), provenance)


def empty_run(
    adata: anndata.AnnData, task: str, model: str, seeds: list[int], name: str, space: str
) -> anndata.AnnData:
    """A latent of the data set's rows with nothing found yet."""
    if not seeds:
        raise Refused("--seeds names no seed: give at least one, in config.yaml under studies.<study>.seeds")
    kept = [key for key in (*dataset.ANNOTATIONS, "split") if key in adata.obs]
    run = anndata.AnnData(obs=adata.obs[kept].copy())
    run.uns |= {"task": task, "model": model, "seeds": np.array(seeds), "n_components": 0, "labels_observed": False}
    run.uns |= {"baseline": name, "space": space}
    return run


def spaces(
    run: anndata.AnnData, adata: anndata.AnnData, space: str, latent: Path | None, n_dimensions: int | None
) -> dict[int, np.ndarray]:
    """Put the space of each seed into the run, z_{seed} [N, L], and return them by seed."""
    seeds = runs.seeds(run)
    x = adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)
    if space == "data":
        points = dict.fromkeys(seeds, x)
    elif space == "pca":
        points = dict.fromkeys(seeds, components(run, x, n_dimensions))
    else:
        points = latents(space, latent, run)
    for seed in seeds:
        run.obsm[f"z_{seed}"] = points[seed].astype(np.float32)
    return points


def components(run: anndata.AnnData, x: np.ndarray, n_dimensions: int) -> np.ndarray:
    """Principal components [N, L] of x [N, D].

    The space alone (no clustering) also gets what it reconstructs, and minus the squared error as its objective.
    """
    train = (run.obs["split"] == "train").to_numpy()
    most = min(train.sum() - 1, x.shape[1])
    if not 1 <= n_dimensions <= most:
        raise Refused(
            f"model {run.uns['model']}: settings.n_dimensions is {n_dimensions}, {train.sum()} training rows of "
            f"{x.shape[1]} features have 1 to {most} principal components: change it in config.yaml"
        )
    mean, axes = principal_axes(x[train], n_dimensions)
    z = (x - mean) @ axes
    if run.uns["baseline"] == "none":
        reconstruction = mean + z @ axes.T
        rows = runs.showcase_rows(run)
        shown = reconstruction[rows].astype(np.float32)
        run.uns["showcase"] = {"rows": rows} | {f"reconstruction_{seed}": shown for seed in runs.seeds(run)}
        for seed in runs.seeds(run):
            run.obsm[f"terms_{seed}"] = terms(run, -np.square(x - reconstruction).sum(axis=1))
    return z


def latents(space: str, latent: Path | None, run: anndata.AnnData) -> dict[int, np.ndarray]:
    """The latents of another run by seed, in the order of this run's rows."""
    if latent is None:
        raise Refused(f"--latent is missing: the space {space} is another run's, name its latent.h5ad")
    other = runs.read(latent)
    if not other.obs_names.equals(run.obs_names):
        raise Refused(f"{latent} has other rows than the data set: run the step `embed` for {space} again")
    lacking = sorted(set(runs.seeds(run)) - set(runs.seeds(other)))
    if lacking:
        raise Refused(f"{latent} lacks the seeds {lacking}, it has {runs.seeds(other)}: train {space} with all seeds")
    return {seed: np.asarray(other.obsm[f"z_{seed}"], dtype=np.float64) for seed in runs.seeds(run)}


def check(data: Path, adata: anndata.AnnData, name: str, n_components: int) -> None:
    """Raise Refused where the clustering cannot be had from these rows."""
    n_train = int((adata.obs["split"] == "train").sum())
    if not 1 <= n_components <= n_train:
        raise Refused(f"n_components is {n_components}, the {n_train} training rows of {data} allow 1 to {n_train}")
    if name == "truth" and "label" not in adata.obs:
        raise Refused(f"{data} has no obs['label'], which the baseline `truth` shows: leave it out of the task")


def cluster(
    run: anndata.AnnData, method: ModuleType, points: dict[int, np.ndarray], n_components: int, settings: dict
) -> None:
    """Put the components of each seed into the run: q_y_{seed} [N, K], cluster_{seed}, and the objective if any."""
    train = (run.obs["split"] == "train").to_numpy()
    truth = run.obs["label"].cat.codes.to_numpy(dtype=np.int64) if "label" in run.obs else None
    found = {seed: method.assign(z, train, n_components, seed, truth, **settings) for seed, z in points.items()}
    width = max(q.shape[1] for q, _ in found.values())
    for seed, (q, objective) in found.items():
        run.obsm[f"q_y_{seed}"] = np.pad(q, ((0, 0), (0, width - q.shape[1]))).astype(np.float32)
        run.obs[f"cluster_{seed}"] = q.argmax(axis=1)
        if objective is not None:
            run.obsm[f"terms_{seed}"] = terms(run, objective)
    run.uns["n_components"] = width


def terms(run: anndata.AnnData, objective: np.ndarray) -> pd.DataFrame:
    """The frame of terms of a run that has nothing but an objective [N]."""
    return pd.DataFrame({"objective": objective}, index=run.obs_names)


if __name__ == "__main__":
    command.run(baseline)
