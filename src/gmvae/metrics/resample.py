"""Step: what the metrics of a task's runs, and their differences, owe to the rows that they were counted on.

Everything comes from the rows' own values in the latents: no run is trained, embedded or evaluated again.
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.dataset import GRADES
from gmvae.formats.latent import Latent, read_latent, run_clusters, run_seeds
from gmvae.formats.writing import write_csv
from gmvae.metrics.catalogue import BOUNDS, DIVERGENCE, NOT_IN_ELBO
from gmvae.metrics.row_samples import N_SAMPLES, draw_halves, draw_resamples, half_interval, resample_interval
from gmvae.metrics.sampled_scores import (
    adjusted_rand_indices,
    agreements,
    class_tables,
    mutual_informations,
    silhouette_rows,
    silhouettes,
    weighted_means,
)
from gmvae.metrics.scores import contingency, majority_classes, match_components
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

INTERVAL_COLUMNS = ["task", "model", "rival", "metric", "value", "low", "high"]
OF_HALVES = ("nmi", "ari", "silhouette")  # their bases: `nmi_fine` is one of them
LEAST_ROWS = 4  # a half of fewer says nothing


def resample(latents: list[Path], output: Path, samples: int = N_SAMPLES) -> None:
    """Compute intervals over the test rows of every metric and of every difference between two models of a task.

    A metric is the mean over the seeds of a run, and a difference that over the seeds of both. All runs see the same
    samples of the rows.

    Args:
        latents: The latent.h5ad of each run of a task.
        output: csv to write, with the columns task, model, rival (empty, or the model whose value is taken off),
            metric, value, low and high; without lines where there are fewer than four test rows.
        samples: How many samples to draw.

    Raises:
        Refused: A latent is not readable, or has other rows than the first.
    """
    first = read_latent(latents[0])
    test = (first.obs["split"] == "test").to_numpy()
    n_rows, lines = int(test.sum()), []
    if n_rows >= LEAST_ROWS:
        weights, halves = draw_resamples(n_rows, samples), draw_halves(n_rows, samples)
        scores, widths = {}, {}
        for path in latents:  # one at a time: all latents of many cells would fill the memory
            run = read_latent(path)
            if not run.obs_names.equals(first.obs_names):
                raise Refused(f"{path} has other rows than {latents[0]}: run the step `embed` or `baseline` again")
            model = str(run.uns["model"])
            scores[model] = {seed: sampled_scores(run, seed, test, weights, halves, widths) for seed in run_seeds(run)}
        task = str(first.uns["task"])
        lines = [(task, *line) for line in interval_lines(scores, n_rows) if np.isfinite(line[3:]).all()]
    write_csv(pd.DataFrame(lines, columns=INTERVAL_COLUMNS), output)


def sampled_scores(
    run: Latent, seed: int, test: np.ndarray, weights: np.ndarray, halves: np.ndarray, widths: dict
) -> dict[str, np.ndarray]:
    """The metrics of one seed in all samples.

    Args:
        run: The latent of a run, with N rows.
        seed: One of its seeds.
        test: The mask of the test rows, [N].
        weights: How often each test row is in each sample with replacement, [n, S].
        halves: Whether each test row is in each half, [n, S].
        widths: Silhouettes by the bytes of the points: many runs have the same. They are added here.

    Returns:
        By metric, its values, [S]; the first is that of all test rows.
    """
    scores = {name: weighted_means(values[test], weights) for name, values in row_values(run, seed)}
    if "label" not in run.obs:
        return scores
    truth = run.obs["label"].cat.codes.to_numpy(dtype=np.int64)
    rows = np.flatnonzero(truth[test] >= 0)
    if 2 <= len(np.unique(truth[test][rows])) < len(rows):
        rows = rows[silhouette_rows(len(rows))]
        z = np.ascontiguousarray(run.obsm[f"z_{seed}"][test][rows])
        key = (z.shape, z.tobytes())
        if key not in widths:
            widths[key] = silhouettes(z, truth[test][rows], halves[rows])
        scores["silhouette"] = widths[key]
    scores |= agreement_scores(run, seed, "label", test, weights, halves)
    for column, suffix in GRADES.items():
        if column in run.obs:
            graded = agreement_scores(run, seed, column, test, weights, halves)
            scores |= {f"{name}_{suffix}": values for name, values in graded.items()}
    return scores


def row_values(run: Latent, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """What a seed has for each row [N]: the bounds, the whole divergence, whether its two predictions disagree."""
    terms = run.obsm.get(f"terms_{seed}")
    if terms is not None:
        yield from ((name, terms[name].to_numpy(dtype=np.float64)) for name in BOUNDS if name in terms)
        parts = [name for name in terms if name.startswith("kl_") and name not in NOT_IN_ELBO]
        if "elbo" in terms and parts:
            yield DIVERGENCE, terms[parts].to_numpy(dtype=np.float64).sum(axis=1)
    if f"disagree_{seed}" in run.obs:
        yield "disagreement", run.obs[f"disagree_{seed}"].to_numpy(dtype=np.float64)


def agreement_scores(
    run: Latent, seed: int, column: str, test: np.ndarray, weights: np.ndarray, halves: np.ndarray
) -> dict[str, np.ndarray]:
    """How well components and the classes of a column agree in each sample, over the rows that have a class.

    What a component is called is not drawn anew: accuracy and purity are shares of rows, as in the evaluation.
    """
    cluster = run_clusters(run, seed)
    truth = run.obs[column].cat.codes.to_numpy(dtype=np.int64)
    labelled = truth >= 0
    here = labelled & test
    if cluster is None or not here.any():
        return {}
    sizes = len(run.obs[column].cat.categories), int(run.uns["n_components"])
    drawn = class_tables(truth[here], cluster[here], *sizes, weights[labelled[test]])
    of_halves = class_tables(truth[here], cluster[here], *sizes, halves[labelled[test]])
    train = labelled & (run.obs["split"] == "train").to_numpy()
    tags = majority_classes(contingency(truth[train], cluster[train], *sizes))
    scores = {
        "purity": agreements(drawn, tags),
        "nmi": mutual_informations(of_halves),
        "ari": adjusted_rand_indices(of_halves),
    }
    if column == "label" and bool(run.uns["labels_observed"]):
        scores["accuracy"] = agreements(drawn, np.arange(sizes[1]))
    elif sizes[0] == sizes[1]:
        scores["accuracy"] = agreements(drawn, match_components(contingency(truth[here], cluster[here], *sizes)))
    return scores


def interval_lines(scores: dict[str, dict[int, dict[str, np.ndarray]]], n_rows: int) -> Iterator[tuple]:
    """The lines of the table: each metric of each model, then each difference between two models.

    Args:
        scores: By model, seed and metric, the values in all samples, [S].
        n_rows: The number of test rows.

    Yields:
        model, rival, metric, value, low, high.
    """
    for model, of_model in scores.items():
        for metric in metrics_of(of_model):
            values = np.mean([of_seed[metric] for of_seed in of_model.values() if metric in of_seed], axis=0)
            yield model, "", metric, values[0], *metric_interval(metric, values, n_rows)
    for model, rival in combinations(scores, 2):
        ours, theirs = scores[model], scores[rival]
        for metric in metrics_of(ours):
            seeds = [seed for seed in ours if metric in ours[seed] and metric in theirs.get(seed, {})]
            if seeds:
                values = np.mean([ours[seed][metric] - theirs[seed][metric] for seed in seeds], axis=0)
                yield model, rival, metric, values[0], *metric_interval(metric, values, n_rows)


def metrics_of(of_model: dict[int, dict[str, np.ndarray]]) -> list[str]:
    """The metrics that some seed of a model has, sorted."""
    return sorted({metric for of_seed in of_model.values() for metric in of_seed})


def metric_interval(metric: str, values: np.ndarray, n_rows: int) -> tuple[float, float]:
    """The interval of a metric or of a difference from its values in all samples, [S]."""
    return half_interval(values, n_rows) if metric.split("_")[0] in OF_HALVES else resample_interval(values)


if __name__ == "__main__":
    run_step(resample)
