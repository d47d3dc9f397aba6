"""Runs without training of their own: a space and a clustering of it, handed on in the same form as any model's."""

import importlib
import inspect
import time
from pathlib import Path
from types import ModuleType

import anndata
import numpy as np

from gmvae.formats.dataset import ANNOTATIONS, GRADES, load_dataset
from gmvae.formats.labels import labels_for_classifier, true_labels
from gmvae.formats.provenance import describe_run
from gmvae.formats.writing import write_h5ad, write_json
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.runs.spaces import SETTINGS, fill_space, objective_frame


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
    observed: Path | None = None,
) -> None:
    """Cluster a space without a model of one's own, once for each seed.

    Reads a data set, the latent.h5ad of another run where the space is none of `data`, `pca` and `umap`, and which
    labels are seen where the baseline is a classifier; writes latent.h5ad and provenance.json. `name` is a file of
    src/gmvae/runs/baselines, or `none` for the space alone.
    """
    start = time.perf_counter()
    adata = load_dataset(data)
    run = empty_run(adata, task, model, seeds, name, space)
    of_space = SETTINGS.get(space, {}) | {key: settings[key] for key in SETTINGS.get(space, {}) if key in settings}
    points = fill_space(run, adata, space, latent, **of_space)
    own = {key: value for key, value in settings.items() if key not in of_space}
    if name != "none":
        check_clustering(data, adata, name, n_components)
        method = importlib.import_module(f"gmvae.runs.baselines.{name}")
        if "observed" in inspect.signature(method.assign).parameters:
            told = labels_for_classifier(run.obs, observed)
            run.uns["labels_observed"] = told.true
            add_clusters(run, method, points, told.n_categories, told.codes, own)
        else:
            run.uns["labels_observed"] = name == "truth"
            add_clusters(run, method, points, n_components, true_labels(run), own)
    write_h5ad(run, output)
    seconds = time.perf_counter() - start
    write_json(describe_run(of_space | own, seeds, "cpu", seconds), provenance)


def empty_run(
    adata: anndata.AnnData, task: str, model: str, seeds: list[int], name: str, space: str
) -> anndata.AnnData:
    """A latent of the data set's rows with nothing found yet."""
    if not seeds:
        raise Refused("--seeds names no seed: give at least one, in config.yaml under studies.<study>.seeds")
    kept = [key for key in (*ANNOTATIONS, *GRADES, "split") if key in adata.obs]
    run = anndata.AnnData(obs=adata.obs[kept].copy())
    run.uns |= {"task": task, "model": model, "seeds": np.array(seeds), "n_components": 0, "labels_observed": False}
    run.uns |= {"baseline": name, "space": space}
    return run


def check_clustering(data: Path, adata: anndata.AnnData, name: str, n_components: int) -> None:
    """Raise Refused where the clustering cannot be had from these rows."""
    n_train = int((adata.obs["split"] == "train").sum())
    if not 1 <= n_components <= n_train:
        raise Refused(f"n_components is {n_components}, the {n_train} training rows of {data} allow 1 to {n_train}")
    if name == "truth" and "label" not in adata.obs:
        raise Refused(f"{data} has no obs['label'], which the baseline `truth` shows: leave it out of the task")


def add_clusters(
    run: anndata.AnnData,
    method: ModuleType,
    points: dict[int, np.ndarray],
    n_components: int,
    labels: np.ndarray | None,
    settings: dict,
) -> None:
    """Put the components of each seed into the run: q_y_{seed} [N, K], cluster_{seed}, and the objective if any."""
    train = (run.obs["split"] == "train").to_numpy()
    found = {seed: method.assign(z, train, n_components, seed, labels, **settings) for seed, z in points.items()}
    width = max(q.shape[1] for q, _ in found.values())
    for seed, (q, objective) in found.items():
        run.obsm[f"q_y_{seed}"] = np.pad(q, ((0, 0), (0, width - q.shape[1]))).astype(np.float32)
        run.obs[f"cluster_{seed}"] = q.argmax(axis=1)
        if objective is not None:
            run.obsm[f"terms_{seed}"] = objective_frame(run, objective)
    run.uns["n_components"] = width


if __name__ == "__main__":
    run_step(baseline)
