"""Step `baseline`: a run without training, a space and a clustering of it, written in the same form as any model's."""

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
from gmvae.training.neighbour_file import load_neighbours

CLUSTERINGS = (
    "kmeans",
    "mixture",
    "louvain",
    "leiden",
    "leiden_start",
)  # baselines that need a training row for each component


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
    graph: Path | None = None,
) -> None:
    """Cluster or classify the rows in a space that needs no model, or in another run's latent space, for each seed.

    Args:
        data: The prepared dataset (.h5ad).
        output: The latent.h5ad file to write.
        provenance: The JSON file to write on settings, seeds, versions and time.
        name: The method, a file of gmvae/runs/baselines, or `none` for the space alone.
        space: Where the method works: `data`, `pca`, `umap`, or the name of another run.
        latent: The latent.h5ad of that other run.
        settings: Keyword arguments of the space and of the method.
        n_components: Number of components K of a clustering.
        seeds: One or more seeds.
        task: Name of the task.
        model: Name of this run's entry among the models of the config.
        observed: The labels that may be seen (csv of row, label), for a classifier.
        graph: The file of nearest neighbours (.safetensors), for communities of them.

    Raises:
        Refused: There is no seed, the data do not allow so many components or dimensions, or labels, neighbours or the
            other run's latents are missing.
    """
    start = time.perf_counter()
    adata = load_dataset(data)
    run = empty_run(adata, task, model, seeds, name, space)
    space_settings = SETTINGS.get(space, {}) | {
        key: settings[key] for key in SETTINGS.get(space, {}) if key in settings
    }
    points = fill_space(run, adata, space, latent, **space_settings)
    method_settings = {key: value for key, value in settings.items() if key not in space_settings}
    if name != "none":
        check_clustering(data, adata, name, n_components)
        assign_rows(run, name, points, n_components, observed, graph, method_settings)
    write_h5ad(run, output)
    seconds = time.perf_counter() - start
    write_json(describe_run(space_settings | method_settings, seeds, "cpu", seconds), provenance)


def empty_run(
    adata: anndata.AnnData, task: str, model: str, seeds: list[int], name: str, space: str
) -> anndata.AnnData:
    """A run of the dataset's rows without results. Raises Refused where there is no seed."""
    if not seeds:
        raise Refused("--seeds names no seed: give at least one, in config.yaml under studies.<study>.seeds")
    annotations = [key for key in (*ANNOTATIONS, *GRADES, "split") if key in adata.obs]
    run = anndata.AnnData(obs=adata.obs[annotations].copy())
    run.uns |= {"task": task, "model": model, "seeds": np.array(seeds), "n_components": 0, "labels_observed": False}
    run.uns |= {"baseline": name, "space": space}
    return run


def check_clustering(data: Path, adata: anndata.AnnData, name: str, n_components: int) -> None:
    """Raise Refused where the rows do not allow the clustering."""
    n_train = int((adata.obs["split"] == "train").sum())
    most = n_train if name in CLUSTERINGS else np.inf
    if not 1 <= n_components <= most:
        allowed = f"1 to {n_train}, the training rows of {data}" if name in CLUSTERINGS else "1 or more"
        raise Refused(f"n_components: found {n_components}; allowed for the baseline {name}: {allowed}")
    if name == "truth" and "label" not in adata.obs:
        raise Refused(f"{data} has no obs['label'], which the baseline `truth` shows: leave it out of the task")


def assign_rows(
    run: anndata.AnnData,
    name: str,
    points: dict[int, np.ndarray],
    n_components: int,
    observed: Path | None,
    graph: Path | None,
    settings: dict,
) -> None:
    """Run the method on the points [N, L] of each seed, and store its components; only a classifier sees labels."""
    method = importlib.import_module(f"gmvae.runs.baselines.{name}")
    parameters = inspect.signature(method.assign).parameters
    if "observed" in parameters:
        labels = labels_for_classifier(run.obs, observed)
        run.uns["labels_observed"] = labels.true
        add_clusters(run, method, points, labels.n_categories, labels.codes, settings)
    elif "neighbours" in parameters:
        neighbours = load_neighbours(graph, (run.obs["split"] == "train").to_numpy())
        add_clusters(run, method, points, n_components, neighbours, settings)
    else:
        run.uns["labels_observed"] = name == "truth"
        add_clusters(run, method, points, n_components, true_labels(run), settings)


def add_clusters(
    run: anndata.AnnData,
    method: ModuleType,
    points: dict[int, np.ndarray],
    n_components: int,
    known: np.ndarray | None,
    settings: dict,
) -> None:
    """Store the components of each seed: q_y_{seed} [N, K], cluster_{seed} [N], and the objective if there is one.

    `known` is what the method gets beside the points: labels [N], or neighbours [N, k].
    """
    train = (run.obs["split"] == "train").to_numpy()
    results = {seed: method.assign(z, train, n_components, seed, known, **settings) for seed, z in points.items()}
    width = max(q.shape[1] for q, _ in results.values())
    for seed, (q, objective) in results.items():
        run.obsm[f"q_y_{seed}"] = np.pad(q, ((0, 0), (0, width - q.shape[1]))).astype(np.float32)
        run.obs[f"cluster_{seed}"] = q.argmax(axis=1)
        if objective is not None:
            run.obsm[f"terms_{seed}"] = objective_frame(run, objective)
    run.uns["n_components"] = width


if __name__ == "__main__":
    run_step(baseline)
