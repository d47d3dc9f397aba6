"""Step `findings`: what the clusters of a task's cells are, told by genes, types and conditions."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from torch import nn

from gmvae.cells.annotate import select_seed
from gmvae.cells.biology.calibration import calibration_error, class_probabilities, reliability
from gmvae.cells.biology.known_markers import best_markers, compare_with_known
from gmvae.cells.biology.marker_tables import dot_values, shared_markers
from gmvae.cells.biology.type_tables import compose_clusters, count_types, majority_types, recall_by_type
from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import Latent, read_latent, run_clusters, run_seeds
from gmvae.formats.weights import load_weights
from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.runs.biology.changes import GENES, TYPES, compare_conditions
from gmvae.runs.biology.generated_cells import (
    can_generate,
    compare_generated,
    generate_counts,
    redraw_counts,
    take_cells,
)
from gmvae.training.device import choose_device

COMPARED = 2000  # real cells, at most, that generated ones are compared with
FEWEST = 50  # cells that are enough for a comparison
EMPTY = {  # columns of tables that a dataset without labels, or a model without a density, leaves empty
    "confusion": ["label", "cluster", "split", "cells"],
    "recall": ["label", "cells", "recall", "recall_train", "clusters", "taken_for"],
    "calibration": ["low", "high", "cells", "confidence", "accuracy"],
    "changed_genes": GENES,
    "changes": TYPES,
    "generated": ["kind", "u", "v"],
}


def find_biology(
    cells: Path,
    markers: Path,
    data: Path,
    weights: Path,
    latent: Path,
    output: Path,
    device: str = "auto",
    threads: int = 1,
    memory: float = 4.0,
) -> None:
    """Write tables of what the clusters of a task's cells are: genes, types, conditions, calibration, generated cells.

    All are of the seed whose clusters are exported, which no label picks; the calibration error also has its mean and
    spread over the seeds.

    Args:
        cells: The exported cells (.h5ad), with clusters and their probabilities.
        markers: The markers.csv of the same export.
        data: The prepared dataset (.h5ad).
        weights: The trained model (.safetensors).
        latent: The latent of the same run (latent.h5ad).
        output: The folder of the csv files to write: clusters, dots, shared_markers, confusion, recall, calibration,
            composition, changed_genes, changes, generated and findings.
        device: Where to compute: auto, cpu or cuda.
        threads: Number of compute threads.
        memory: GiB; a larger prepared dataset stays on disk.

    Raises:
        Refused: The files are not of one run.
    """
    torch.set_num_threads(threads)
    exported, table, prepared = Latent(cells), pd.read_csv(markers, dtype={"cluster": str}), load_dataset(data, memory)
    if not exported.obs_names.equals(prepared.obs_names):
        raise Refused(f"{cells} has other cells than {data}: run the step `export` again")
    torch_device = choose_device(device)
    trained, description = load_weights(weights, torch_device)
    torch.set_default_dtype(next(trained.parameters()).dtype)
    seeds = list(description["arguments"]["seeds"])
    seed = int(exported.uns["gmvae"]["seed"])
    if seed not in seeds:
        raise Refused(f"{cells}: found seed {seed}; {weights} has {seeds}: run the step `export` again")
    model, arguments = select_seed(trained, description, seeds.index(seed))
    tables, values = describe_clusters(exported, prepared, table)
    typed, measures = describe_types(exported)
    measures |= spread_calibration(exported, read_latent(latent))
    modelled, more = describe_model(exported, prepared, model, arguments, torch_device)
    tables |= {key: pd.DataFrame(columns=columns) for key, columns in EMPTY.items()} | typed | modelled
    tables["findings"] = pd.DataFrame((values | measures | more).items(), columns=["measure", "value"])
    for key, content in tables.items():
        write_csv(content, output / f"{key}.csv")


def describe_clusters(exported: Latent, prepared: anndata.AnnData, markers: pd.DataFrame) -> tuple[dict, dict]:
    """The tables of clusters, their marker genes and what conditions they have; and the certainty of the cells."""
    obs = exported.obs
    clusters = list(obs["cluster"].cat.categories)
    majority = {name: majority_label(obs[obs["cluster"] == name]) for name in clusters}
    known = compare_with_known(markers, prepared.var_names, {name: label for name, (label, _) in majority.items()})
    table = pd.DataFrame({"cluster": clusters})
    table["cells"] = obs["cluster"].value_counts().reindex(clusters).to_numpy()
    table["label"] = [majority[name][0] for name in clusters]
    table["label_share"] = [majority[name][1] for name in clusters]
    table["probability"] = obs.groupby("cluster", observed=True)["cluster_probability"].mean()[clusters].to_numpy()
    table["markers"] = [" ".join(best_markers(markers, name, 5)) for name in clusters]
    values = {"certain": float((obs["cluster_probability"] >= 0.9).mean()), "clusters": len(clusters)}
    values["agreement"] = float(obs["seed_agreement"].mean())
    tables = {
        "clusters": table.merge(known, on="cluster", how="left"),
        "dots": dot_values(prepared, obs["cluster"], markers),
        "shared_markers": shared_markers(markers, clusters),
        "composition": compose_clusters(obs),
    }
    return tables, values


def majority_label(obs: pd.DataFrame) -> tuple[str, float]:
    """The most frequent label of some cells and its share, "" and NaN without labels."""
    shares = obs["label"].value_counts(normalize=True) if "label" in obs else pd.Series(dtype=float)
    return (str(shares.index[0]), float(shares.iloc[0])) if len(shares) else ("", float("nan"))


def describe_types(exported: Latent) -> tuple[dict, dict]:
    """The tables that compare clusters with labels, and the calibration error; none without labels."""
    obs, record = exported.obs, exported.uns["gmvae"]
    if "label" not in obs:
        return {}, {}
    names = majority_types(obs, int(record["K"]), bool(record["labels_observed"]))
    tables = {"confusion": count_types(obs), "recall": recall_by_type(obs, names)}
    confidence, correct = judge_types(obs, exported.obsm["q_y"], names)
    tables["calibration"] = reliability(confidence, correct)
    values = {"ece": calibration_error(tables["calibration"]), "n_test": len(correct)}
    if len(correct):
        values |= {"confidence": float(confidence.mean()), "right": float(correct.mean())}
    return tables, values


def judge_types(obs: pd.DataFrame, q_y: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probability of the likeliest type of each test cell with a label, and whether it is the label, [n] each."""
    test = ((obs["split"] == "test") & obs["label"].notna()).to_numpy()
    q = class_probabilities(q_y[test], names, len(obs["label"].cat.categories))
    return q.max(axis=1, initial=0), q.argmax(axis=1) == obs["label"].cat.codes.to_numpy()[test]


def spread_calibration(exported: Latent, run: Latent) -> dict[str, float]:
    """The mean and the standard deviation of the calibration error over the seeds of the run; none without labels."""
    if "label" not in exported.obs:
        return {}
    record, errors = exported.uns["gmvae"], []
    for seed in run_seeds(run):
        cluster = pd.Categorical(run_clusters(run, seed).astype(str))
        obs = exported.obs[["label", "split"]].assign(cluster=cluster)
        names = majority_types(obs, int(record["K"]), bool(record["labels_observed"]))
        errors.append(calibration_error(reliability(*judge_types(obs, run.obsm[f"q_y_{seed}"], names))))
    return {"ece_mean": float(np.mean(errors)), "ece_sd": float(np.std(errors, ddof=1)) if len(errors) > 1 else np.nan}


def describe_model(
    exported: Latent, prepared: anndata.AnnData, model: nn.Module, arguments: dict, device: torch.device
) -> tuple[dict, dict]:
    """The tables that need the model: genes that change with the condition, and generated cells among real ones."""
    tables, values = {}, {}
    if "condition" in prepared.obs and prepared.obs["condition"].nunique() > 1:
        types = exported.obs["label"] if "label" in exported.obs else exported.obs["cluster"]
        tables["changed_genes"], tables["changes"] = compare_conditions(prepared, types, model, arguments, device)
    if can_generate(model) and prepared.n_obs >= FEWEST:
        rows = np.sort(np.random.default_rng(0).permutation(prepared.n_obs)[:COMPARED])
        real = take_cells(prepared, rows)
        counts = generate_counts(model, arguments, real), redraw_counts(model, arguments, real)
        tables["generated"], values = compare_generated(real, *counts)
        values["n_generated"] = len(rows)
    return tables, values


if __name__ == "__main__":
    run_step(find_biology)
