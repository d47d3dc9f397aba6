"""Step `observe`: which labels of the training rows the models of a task may see."""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.data.split import apportion, draw_rows
from gmvae.formats.dataset import load_dataset
from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

ALLOWED = "none, all, louvain, a share in (0, 1), a whole number of rows, or batch:<name>"


def observe(
    data: Path,
    output: Path,
    labels: str = "none",
    seed: int = 0,
    n_components: int | None = None,
    n_dimensions: int = 10,
) -> None:
    """Write the name of each training row and its label, or nothing where the label is hidden.

    Args:
        data: The prepared dataset (.h5ad).
        output: The csv file to write, with columns row and label.
        labels: Which labels are visible: none; all; a share in (0, 1) or a number of rows, drawn in proportion to the
            classes with at least one row of each; batch:<name> for all labels of one batch; or louvain for the numbers
            of Louvain clusters in the place of labels.
        seed: Seed of the draw, or of the clustering.
        n_components: Number of Louvain clusters.
        n_dimensions: Number of principal components in which Louvain clusters are found.

    Raises:
        Refused: The dataset does not have such labels, or not as many.
    """
    adata = load_dataset(data)
    training = adata.obs[adata.obs["split"] == "train"]
    label = np.full(len(training), "", dtype=object)
    if labels == "louvain":
        from gmvae.runs.louvain_labels import louvain_labels  # a slow import, for few tasks

        label[:] = louvain_labels(adata, n_components, n_dimensions, seed)
    elif labels != "none":
        if "label" not in training:
            raise Refused(f"labels is {labels}, but {data} has no labels; allowed: none, louvain")
        visible = visible_rows(training, labels, seed)
        label[visible] = training["label"].astype(str)[visible]
    write_csv(pd.DataFrame({"row": training.index.astype(str), "label": label}), output)


def visible_rows(training: pd.DataFrame, labels: str, seed: int) -> np.ndarray:
    """A mask of the training rows whose labels are visible [n]. Raises Refused for a setting that is not possible."""
    if labels.startswith("batch:"):
        return rows_of_batch(training, labels.removeprefix("batch:"))
    classes = training["label"].cat.remove_unused_categories()
    places = places_per_class(labels, classes.value_counts(sort=False).to_numpy())
    return draw_rows(classes.cat.codes.to_numpy(), places, seed)


def rows_of_batch(training: pd.DataFrame, batch: str) -> np.ndarray:
    """A mask of the rows of that batch [n]."""
    batches = sorted(training["batch"].unique()) if "batch" in training else []
    if batch not in batches:
        raise Refused(
            f"labels: batch '{batch}' does not occur; allowed: {', '.join(batches) or 'none, there are no batches'}"
        )
    return (training["batch"] == batch).to_numpy()


def places_per_class(labels: str, sizes: np.ndarray) -> np.ndarray:
    """How many labelled rows each class gets [classes] of its sizes [classes]. Raises Refused for too few or many."""
    if labels == "all":
        return sizes
    n = number_of_rows(labels, int(sizes.sum()))
    if not len(sizes) <= n <= sizes.sum():
        raise Refused(
            f"labels: {labels} means {n} labelled rows; allowed: {len(sizes)} (one for each class) to "
            f"{sizes.sum()} (all training rows)"
        )
    return 1 + apportion(sizes - 1, n - len(sizes), at_most=sizes - 1)


def number_of_rows(labels: str, n_rows: int) -> int:
    """The number of labelled rows: a share in (0, 1) of n_rows, or a whole number."""
    try:
        number = float(labels)
    except ValueError:
        raise Refused(f"labels is '{labels}'; allowed: {ALLOWED}") from None
    if 0 < number < 1:
        return round(number * n_rows)
    if number < 1 or number != round(number):
        raise Refused(f"labels is {labels}; allowed: {ALLOWED}")
    return int(number)


if __name__ == "__main__":
    run_step(observe)
