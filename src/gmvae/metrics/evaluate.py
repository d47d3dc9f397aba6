"""Step: the metrics of a run, computed from its latent without the model."""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.dataset import GRADES, SPLITS
from gmvae.formats.latent import Latent, read_latent, run_clusters, run_seeds
from gmvae.formats.metrics_table import COLUMNS
from gmvae.formats.writing import write_csv
from gmvae.metrics.scores import (
    adjusted_rand_index,
    agreement,
    component_shares,
    contingency,
    effective_components,
    majority_classes,
    match_components,
    mutual_information,
    n_components_used,
    silhouette,
)
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

SMALL = 30  # rows: a class of at most this size does not count as missed


def evaluate(latent: Path, output: Path, task: str, model: str) -> None:
    """Compute every metric of a run, for each seed, on the training split and on the test split.

    A metric without meaning for a run is absent, such as the accuracy if components and classes differ in number.

    Args:
        latent: The run's latent.h5ad.
        output: metrics.csv to write, with the columns task, model, seed, split, metric and value.
        task: Name of the task.
        model: Name of the model.

    Raises:
        Refused: The latent is not readable, or a metric is not finite.
    """
    run = read_latent(latent)
    rows = []
    for seed in sorted(run_seeds(run)):
        for split in SPLITS:
            values = run_measures(run, seed, split)
            not_finite = [name for name, value in values.items() if not np.isfinite(value)]
            if not_finite:
                raise Refused(
                    f"{latent}: {', '.join(not_finite)} of seed {seed} is not finite: its training diverged; "
                    f"lower learning_rate of model {model} in config.yaml and train again"
                )
            rows += [(task, model, seed, split, name, value) for name, value in sorted(values.items())]
    write_csv(pd.DataFrame(rows, columns=COLUMNS), output)


def run_measures(run: Latent, seed: int, split: str) -> dict[str, float]:
    """All metrics of one seed on one split, by name; an empty split has none."""
    here = (run.obs["split"] == split).to_numpy()
    if not here.any():
        return {}
    measures = class_measures(run, seed, here) | term_measures(run, seed, here)
    cluster = run_clusters(run, seed)
    if cluster is not None:
        share = component_shares(cluster[here], int(run.uns["n_components"]))
        measures["occupancy"] = n_components_used(share)
        measures["effective_components"] = effective_components(share)
    if f"disagree_{seed}" in run.obs:
        measures["disagreement"] = float(run.obs[f"disagree_{seed}"].to_numpy(dtype=bool)[here].mean())
    return measures


def class_measures(run: Latent, seed: int, here: np.ndarray) -> dict[str, float]:
    """Metrics against the true classes, over the rows `here` (a mask [N]) that have a class.

    Metrics against finer or coarser classes, if the dataset has them, have the suffix `_fine` or `_coarse`.
    """
    if "label" not in run.obs:
        return {}
    truth = run.obs["label"].cat.codes.to_numpy(dtype=np.int64)
    labelled = here & (truth >= 0)
    z = run.obsm[f"z_{seed}"]
    measures = {}
    if 2 <= len(np.unique(truth[labelled])) < labelled.sum():
        points = z[labelled]
        measures["silhouette"] = silhouette(points, truth[labelled]) if np.isfinite(z).all() else float("nan")
    measures |= agreement_measures(run, seed, here, "label", bool(run.uns["labels_observed"]))
    for column, suffix in GRADES.items():
        if column in run.obs:
            graded = agreement_measures(run, seed, here, column, known=False)
            measures |= {f"{name}_{suffix}": value for name, value in graded.items()}
    return measures


def agreement_measures(run: Latent, seed: int, here: np.ndarray, column: str, known: bool) -> dict[str, float]:
    """How well components and the classes of a column agree, over the rows `here` (a mask [N]) that have a class.

    If `known`, component k is class k; else components and classes are matched if their numbers are equal. A class is
    found if it is the majority of a component on the training split, and missed if not and if it has over SMALL rows.
    """
    truth = run.obs[column].cat.codes.to_numpy(dtype=np.int64)
    cluster = run_clusters(run, seed)
    labelled = truth >= 0
    here = here & labelled
    if cluster is None or not here.any():
        return {}
    train = (run.obs["split"] == "train").to_numpy() & labelled
    n_classes, n_components = len(run.obs[column].cat.categories), int(run.uns["n_components"])
    tags = majority_classes(contingency(truth[train], cluster[train], n_classes, n_components))
    large = np.bincount(truth[labelled], minlength=n_classes) > SMALL
    table = contingency(truth[here], cluster[here], n_classes, n_components)
    measures = {
        "purity": agreement(truth[here], cluster[here], tags),
        "nmi": mutual_information(table),
        "ari": adjusted_rand_index(table),
        "classes_found": len(set(tags) - {-1}),
        "classes_missed": len(set(np.flatnonzero(large)) - set(tags)),
    }
    if known:
        measures["accuracy"] = agreement(truth[here], cluster[here], np.arange(n_components))
    elif n_components == n_classes:
        measures["accuracy"] = agreement(truth[here], cluster[here], match_components(table))
    return measures


def term_measures(run: Latent, seed: int, here: np.ndarray) -> dict[str, float]:
    """Means of the objective's terms over the rows `here` (a mask [N]).

    A term that was computed for no row is left out; `bound` may have been computed for some of the rows only.
    """
    terms = run.obsm.get(f"terms_{seed}")
    if terms is None:
        return {}
    means = {}
    for name in terms.columns:
        values = terms[name].to_numpy(dtype=np.float64)[here]
        if not np.isnan(values).all():
            means[name] = float(np.nanmean(values) if name == "bound" else np.mean(values))
    return means


if __name__ == "__main__":
    run_step(evaluate)
