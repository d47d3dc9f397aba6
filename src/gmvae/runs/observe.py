"""Step observe: which labels of the training rows the models of a task may see."""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.data.split import apportion, draw_rows
from gmvae.formats.dataset import load_dataset
from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.runs.louvain_labels import louvain_labels

ALLOWED = "none, all, louvain, a share in (0, 1), a whole number of rows, or batch:<name>"


def observe(
    data: Path,
    output: Path,
    labels: str = "none",
    seed: int = 0,
    n_components: int | None = None,
    n_dimensions: int = 10,
) -> None:
    """Write one line per training row: its name, and its label, or nothing where the label is hidden.

    data: the data set. output: the csv. labels: none; all; a share in (0, 1) or a number of labelled rows, drawn with
    every class in proportion and each at least once; batch:<name>, all labels of one batch, from which a model may
    carry them to the others; or louvain: no true label, but the number of the row's Louvain cluster, in the place of
    one. seed: of the draw, or of the clustering. n_components, n_dimensions: number of Louvain clusters, and of the
    principal components that they are found in. Raises Refused where it is impossible.
    """
    adata = load_dataset(data)
    training = adata.obs[adata.obs["split"] == "train"]
    label = np.full(len(training), "", dtype=object)
    if labels == "louvain":
        label[:] = louvain_labels(adata, n_components, n_dimensions, seed)
    elif labels != "none":
        if "label" not in training:
            raise Refused(f"labels is {labels}, but {data} has no labels; allowed: none, louvain")
        truth = training["label"].cat.remove_unused_categories()
        if labels.startswith("batch:"):
            shown = rows_of_batch(training, labels.removeprefix("batch:"))
        else:
            places = places_per_class(labels, truth.value_counts(sort=False).to_numpy())
            shown = draw_rows(truth.cat.codes.to_numpy(), places, seed)
        label[shown] = truth.astype(str)[shown]
    write_csv(pd.DataFrame({"row": training.index.astype(str), "label": label}), output)


def rows_of_batch(training: pd.DataFrame, batch: str) -> np.ndarray:
    """A mask [N] of the rows of that batch."""
    batches = sorted(training["batch"].unique()) if "batch" in training else []
    if batch not in batches:
        raise Refused(
            f"labels: batch '{batch}' does not occur; allowed: {', '.join(batches) or 'none, there are none'}"
        )
    return (training["batch"] == batch).to_numpy()


def places_per_class(labels: str, sizes: np.ndarray) -> np.ndarray:
    """How many labelled rows each class gets [classes] of its sizes [classes]. Raises Refused for too few."""
    if labels == "all":
        return sizes
    n = number_of_rows(labels, int(sizes.sum()))
    if not len(sizes) <= n <= sizes.sum():
        raise Refused(
            f"labels: {labels} asks for {n} labelled rows; allowed: {len(sizes)} (one for each class) to "
            f"{sizes.sum()} (all training rows)"
        )
    return 1 + apportion(sizes - 1, n - len(sizes), at_most=sizes - 1)


def number_of_rows(labels: str, n_rows: int) -> int:
    """How many of n_rows rows the setting asks for: a share in (0, 1) of them, or a whole number."""
    try:
        asked = float(labels)
    except ValueError:
        raise Refused(f"labels is '{labels}'; allowed: {ALLOWED}") from None
    if 0 < asked < 1:
        return round(asked * n_rows)
    if asked < 1 or asked != round(asked):
        raise Refused(f"labels is {labels}; allowed: {ALLOWED}")
    return int(asked)


if __name__ == "__main__":
    run_step(observe)
