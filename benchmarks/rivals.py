"""Other packages on the same rows: `make rivals`, or `python -m benchmarks.rivals` in its environment.

scVI and scANVI of scvi-tools, and Harmony of harmonypy, at their authors' defaults, on the prepared datasets of a
finished study: the same genes, training rows, test rows, K and measures as the study's own models. `make rivals`
installs them. Nothing here was tuned. scVI and scANVI see the training rows only, and the condition as their batch,
where there is one. Harmony has no map for new cells, so it also sees the test rows, without labels. Communities are
those of the baseline `leiden`.
"""

import json
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import labels_for_classifier
from gmvae.formats.latent import read_latent
from gmvae.formats.provenance import git
from gmvae.formats.writing import write_csv
from gmvae.metrics.evaluate import run_measures
from gmvae.pipeline import plan, step_options
from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.runs.baseline import add_clusters, empty_run
from gmvae.runs.baselines import leiden

SCVI_TASKS = ("pbmc68k", "pbmc3k", "sc_mixology5", "kang")
CONDITION_TASKS = ("sc_mixology5", "kang")
PLANNED = {  # by rival its tasks, in the order of the runs
    "pca50_leiden": SCVI_TASKS,
    "harmony_leiden": CONDITION_TASKS,
    "scvi_leiden": SCVI_TASKS,
    "scanvi": ("pbmc3k_kang",),
}
SEEDS = (4, 5, 6)  # the first ones of every study
OURS = ("pca_leiden", "vae_mixture", "gmdvae", "cgmdvae")  # of the finished study, for comparison
MEASURES = ("accuracy", "purity", "nmi", "ari")
PACKAGES = ("scvi-tools", "lightning", "torch", "harmonypy", "leidenalg", "numpy", "anndata")
HIDDEN = "hidden"  # the label of a row whose label is not seen
KEY = ["task", "model", "seed", "split"]


def compare_with_packages(
    results: Path,
    output: Path,
    config: Path,
    tasks: list[str] | None = None,
    rivals: list[str] | None = None,
    seeds: list[int] | None = None,
) -> None:
    """Run the other packages, and write their measures on the test rows after each run, with those of our own models.

    Args:
        results: The folder with data/, tasks/ and runs/ of a finished study.
        output: The csv file. Its lines of other tasks, rivals and seeds stay.
        config: The file config.yaml.
        tasks: The tasks; without it, all that a rival is planned for and that have been prepared.
        rivals: The rivals; without it, all.
        seeds: The seeds; without it, 4, 5 and 6.

    Raises:
        Refused: A rival has another name.
    """
    every = read_config(config)
    for rival in rivals or PLANNED:
        if rival not in PLANNED:
            raise Refused(f"--rivals {rival}: no rival of that name; allowed: {', '.join(PLANNED)}")
        for task in PLANNED[rival]:
            data = results / Path(step_options.dataset_file(every, task)).relative_to("results")
            if data.is_file() and task in (tasks or PLANNED[rival]):
                dataset = load_dataset(data)
                observed = results / "tasks" / task / "observed.csv"
                for seed in seeds or SEEDS:
                    add_lines([rival_line(rival, dataset, every, task, seed, observed)], output)
                add_lines(own_lines(results, task, seeds or SEEDS), output)


def add_lines(lines: list[dict], output: Path) -> None:
    """Add lines to the csv file; a line of the same task, model, seed and split is replaced."""
    old = pd.read_csv(output, dtype=str, keep_default_na=False) if output.is_file() else pd.DataFrame()
    table = pd.concat([old, pd.DataFrame(lines)]).astype(str).replace("nan", "")
    if len(table):
        write_csv(table.drop_duplicates(KEY, keep="last").sort_values(KEY), output)


def rival_line(rival: str, dataset: anndata.AnnData, config: dict, task: str, seed: int, observed: Path) -> dict:
    """The line of one run of a rival."""
    start = time.perf_counter()
    run = empty_run(dataset, task, rival, [seed], "leiden", rival)
    if rival == "scanvi":
        settings = classify(run, dataset, observed, seed)
    else:
        z, settings = SPACES[rival](dataset, seed)
        run.obsm[f"z_{seed}"] = z
        add_clusters(run, leiden, {seed: z}, plan.task_components(config, task), None, {})
    seconds = time.perf_counter() - start
    changes = git("status", "--porcelain", "--", ":!results/reference/rivals.csv")
    return measure_line(run, task, rival, seed) | {
        "device": "cpu",
        "seconds": f"{seconds:.0f}",
        "settings": json.dumps(settings),
        "versions": ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES),
        "commit": git("rev-parse", "HEAD"),
        "dirty": changes != "",
    }


def measure_line(run: anndata.AnnData, task: str, model: str, seed: int) -> dict:
    """Task, model, seed and the measures of a run on its test rows, as the step `evaluate` computes them."""
    values = run_measures(run, seed, "test")
    values["ilisi"] = batch_mixing(run.obsm[f"z_{seed}"], run.obs)
    shown = {name: f"{values[name]:.9g}" if name in values else "" for name in (*MEASURES, "ilisi")}
    return {"task": task, "model": model, "seed": seed, "split": "test"} | shown


def batch_mixing(z: np.ndarray, obs: pd.DataFrame) -> float:
    """The mean iLISI of the test rows: how many conditions a row has among its neighbours, effectively.

    Args:
        z: Points of all rows, [N, L].
        obs: The annotations of the rows.

    Returns:
        A number from 1 to the number of conditions; NaN where there are no two conditions.

    Source: Korsunsky et al. 2019, as their package computes it, with its perplexity of 30.
    """
    if "condition" not in obs or obs["condition"].nunique() < 2:
        return np.nan
    from harmonypy import compute_lisi  # only in the environment of `make rivals`

    mixing = compute_lisi(z, obs[["condition"]].astype(str), ["condition"])[:, 0]
    return float(mixing[(obs["split"] == "test").to_numpy()].mean())


def own_lines(results: Path, task: str, seeds: Iterable[int]) -> list[dict]:
    """The lines of our own models' runs in the finished study, measured in the same way."""
    lines = []
    for model in OURS:
        folder = results / "runs" / task / model
        if (folder / "latent.h5ad").is_file():
            run, made = read_latent(folder / "latent.h5ad"), json.loads((folder / "provenance.json").read_text())
            record = {"device": made["device"], "commit": made["commit"], "dirty": made["dirty"]}
            lines += [measure_line(run, task, model, seed) | record for seed in seeds if seed in run.uns["seeds"]]
    return lines


def components_of(dataset: anndata.AnnData, seed: int) -> tuple[np.ndarray, dict]:
    """The first 50 principal components, whose axes are those of the training rows [N, 50], and the settings."""
    return np.asarray(dataset.obsm["X_pca"]), {"components": dataset.obsm["X_pca"].shape[1]}


def harmonised(dataset: anndata.AnnData, seed: int) -> tuple[np.ndarray, dict]:
    """Harmony's correction of the same components by condition [N, 50], and the settings."""
    from harmonypy import run_harmony  # only in the environment of `make rivals`

    z, settings = components_of(dataset, seed)
    corrected = np.asarray(
        run_harmony(z, dataset.obs.astype(str), ["condition"], random_state=seed, ncores=1, verbose=False).Z_corr
    )
    return (corrected if len(corrected) == len(z) else corrected.T), settings


def scvi_cells(dataset: anndata.AnnData, seen: np.ndarray | None = None) -> anndata.AnnData:
    """The counts of all rows, with the condition as `batch` where there is one, and the labels `seen` [N]."""
    cells = anndata.AnnData(dataset.layers["counts"].copy(), obs=pd.DataFrame(index=dataset.obs_names))
    cells.obs["batch"] = dataset.obs["condition"].astype(str) if "condition" in dataset.obs else "one"
    cells.obs["seen"] = HIDDEN if seen is None else seen
    return cells


def fit_scvi(cells: anndata.AnnData, train: np.ndarray, seed: int):
    """SCVI with its defaults, trained for its default number of epochs on the training rows (a mask [N])."""
    import scvi  # only in the environment of `make rivals`

    scvi.settings.seed = seed
    own = cells[train].copy()
    scvi.model.SCVI.setup_anndata(own, batch_key="batch", labels_key="seen")
    model = scvi.model.SCVI(own)
    model.train(accelerator="cpu", devices=1, enable_progress_bar=False, logger=False)
    return model


def scvi_space(dataset: anndata.AnnData, seed: int) -> tuple[np.ndarray, dict]:
    """The means of scVI's latent variable for all rows [N, 10], and the settings."""
    cells = scvi_cells(dataset)
    model = fit_scvi(cells, (dataset.obs["split"] == "train").to_numpy(), seed)
    return model.get_latent_representation(cells), {"epochs": n_epochs(model)}


def classify(run: anndata.AnnData, dataset: anndata.AnnData, observed: Path, seed: int) -> dict:
    """Store scANVI's classes of all rows in the run, from the labels that the task shows. Returns the settings."""
    import scvi  # only in the environment of `make rivals`

    labels = labels_for_classifier(run.obs, observed)
    classes = np.array(run.obs["label"].cat.categories)
    cells = scvi_cells(dataset, np.where(labels.codes >= 0, classes[labels.codes], HIDDEN))
    first = fit_scvi(cells, (dataset.obs["split"] == "train").to_numpy(), seed)
    model = scvi.model.SCANVI.from_scvi_model(first, unlabeled_category=HIDDEN)
    model.train(accelerator="cpu", devices=1, enable_progress_bar=False, logger=False)
    codes = pd.Index(classes).get_indexer(model.predict(cells))
    run.obsm[f"z_{seed}"] = model.get_latent_representation(cells)
    run.obsm[f"q_y_{seed}"] = np.eye(len(classes), dtype=np.float32)[codes]
    run.obs[f"cluster_{seed}"] = codes
    run.uns |= {"labels_observed": True, "n_components": len(classes)}
    return {"epochs": n_epochs(first), "epochs_with_labels": n_epochs(model)}


def n_epochs(model) -> int:
    """The number of epochs that a model of scvi-tools was trained for."""
    return int(model.trainer.current_epoch)


SPACES = {"pca50_leiden": components_of, "harmony_leiden": harmonised, "scvi_leiden": scvi_space}

if __name__ == "__main__":
    run_step(compare_with_packages)
