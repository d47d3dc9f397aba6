"""From a run's latent to its row of figures: needs neither the model nor what trained it."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from gmvae import command, files, metrics
from gmvae.errors import Refused
from gmvae.latent import clusters, read, seeds

COLUMNS = ["task", "model", "seed", "split", "metric", "value"]
SPLITS = ("train", "test")


def evaluate(latent: Path, output: Path, task: str, model: str) -> None:
    """Count every metric of a run, for each seed, on the training and on the test split.

    Reads latent.h5ad, writes metrics.csv (task, model, seed, split, metric, value). A metric that has no meaning for
    a run is absent: accuracy where components and classes differ in number, a bound that was not computed.
    """
    run = read(latent)
    rows = []
    for seed in sorted(seeds(run)):
        for split in SPLITS:
            values = measures(run, seed, split)
            bad = [name for name, value in values.items() if not np.isfinite(value)]
            if bad:
                raise Refused(
                    f"{latent}: {', '.join(bad)} of seed {seed} is not finite, so that seed's training diverged: "
                    f"lower learning_rate of model {model} in config.yaml and train again"
                )
            rows += [(task, model, seed, split, name, value) for name, value in sorted(values.items())]
    files.write_csv(pd.DataFrame(rows, columns=COLUMNS), output)


def measures(run: anndata.AnnData, seed: int, split: str) -> dict[str, float]:
    """All metrics of one seed on one split, by name; an empty split has none."""
    here = (run.obs["split"] == split).to_numpy()
    if not here.any():
        return {}
    found = class_measures(run, seed, here) | term_measures(run, seed, here)
    cluster = clusters(run, seed)
    if cluster is not None:
        share = metrics.shares(cluster[here], int(run.uns["n_components"]))
        found["occupancy"] = metrics.occupancy(share)
        found["effective_components"] = metrics.effective_components(share)
    if f"disagree_{seed}" in run.obs:
        found["disagreement"] = float(run.obs[f"disagree_{seed}"].to_numpy(dtype=bool)[here].mean())
    return found


def class_measures(run: anndata.AnnData, seed: int, here: np.ndarray) -> dict[str, float]:
    """Metrics against the true classes, over the rows `here` (a mask [N]) that have one."""
    if "label" not in run.obs:
        return {}
    truth = run.obs["label"].cat.codes.to_numpy(dtype=np.int64)
    n_classes = len(run.obs["label"].cat.categories)
    labelled = truth >= 0
    here = here & labelled
    train = (run.obs["split"] == "train").to_numpy() & labelled
    z = run.obsm[f"z_{seed}"]
    found = {}
    if 2 <= len(np.unique(truth[here])) < here.sum():
        found["silhouette"] = metrics.silhouette(z[here], truth[here]) if np.isfinite(z).all() else float("nan")
    cluster = clusters(run, seed)
    if cluster is None or not here.any():
        return found
    n_components = int(run.uns["n_components"])
    tags = metrics.tags(metrics.contingency(truth[train], cluster[train], n_classes, n_components))
    found["purity"] = metrics.agreement(truth[here], cluster[here], tags)
    found["nmi"] = normalized_mutual_info_score(truth[here], cluster[here])
    found["ari"] = adjusted_rand_score(truth[here], cluster[here])
    if run.uns["labels_observed"]:
        found["accuracy"] = metrics.agreement(truth[here], cluster[here], np.arange(n_components))
    elif n_components == n_classes:
        matched = metrics.matching(metrics.contingency(truth[here], cluster[here], n_classes, n_components))
        found["accuracy"] = metrics.agreement(truth[here], cluster[here], matched)
    return found


def term_measures(run: anndata.AnnData, seed: int, here: np.ndarray) -> dict[str, float]:
    """Means of the objective's terms over the rows `here`.

    A term computed nowhere is left out; `bound` may be computed for some of the rows only.
    """
    terms = run.obsm.get(f"terms_{seed}")
    if terms is None:
        return {}
    found = {}
    for name in terms.columns:
        values = terms[name].to_numpy(dtype=np.float64)[here]
        if not np.isnan(values).all():
            found[name] = float(np.nanmean(values) if name == "bound" else np.mean(values))
    return found


if __name__ == "__main__":
    command.run(evaluate)
