"""Step `neighbours`: the nearest training rows of every row of a dataset, in its principal components."""

from pathlib import Path

import anndata
import numpy as np
from scipy import sparse

from gmvae.data.principal_components import principal_axes
from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import true_labels
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.runs.nearest_rows import nearest_rows
from gmvae.training.neighbour_file import save_neighbours

N_NEIGHBOURS = 15
N_DIMENSIONS = 50
KINDS = ("plain", "balanced")


def neighbours(data: Path, output: Path, kind: str = "plain") -> None:
    """Find the 15 nearest training rows of each row, in the first 50 principal components of the training rows.

    Args:
        data: The prepared dataset (.h5ad).
        output: The safetensors file to write: positions among the training rows, the nearest first, no row its own.
        kind: plain, or balanced: equally many neighbours from each condition, as many as 15 allow (7 and 7 of two).

    Raises:
        Refused: The kind is unknown, there are fewer than 16 training rows, or balanced neighbours are asked of a
            dataset without conditions.
    """
    if kind not in KINDS:
        raise Refused(f"--kind: found {kind}; allowed: {', '.join(KINDS)}")
    adata = load_dataset(data)
    train = (adata.obs["split"] == "train").to_numpy()
    if train.sum() <= N_NEIGHBOURS:
        raise Refused(
            f"{data} has {train.sum()} training rows; allowed for a graph of {N_NEIGHBOURS} neighbours: at least "
            f"{N_NEIGHBOURS + 1}; set guide: kmeans and no views of neighbours"
        )
    z = principal_components(adata, train)
    if kind == "balanced":
        nearest = balanced_neighbours(z, train, training_conditions(adata, train, data))
    else:
        nearest, _ = nearest_rows(z, z[train], N_NEIGHBOURS, positions_among(train))
    description = {"kind": kind, "n_components": z.shape[1], "n_neighbours": nearest.shape[1]}
    save_neighbours(nearest, description, output)
    report_agreement(true_labels(adata), train, nearest)


def principal_components(adata: anndata.AnnData, train: np.ndarray) -> np.ndarray:
    """The rows [N, L] on at most 50 principal axes of the training rows: those of the dataset, if it has them."""
    if "X_pca" in adata.obsm:
        return np.asarray(adata.obsm["X_pca"], dtype=np.float32)[:, :N_DIMENSIONS]
    x = adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)
    mean, axes = principal_axes(x[train], min(N_DIMENSIONS, int(train.sum()) - 1, x.shape[1]))
    return ((x - mean) @ axes).astype(np.float32)


def positions_among(members: np.ndarray) -> np.ndarray:
    """The position of each row among the members of a mask [N], -1 for other rows."""
    return np.where(members, np.cumsum(members) - 1, -1)


def training_conditions(adata: anndata.AnnData, train: np.ndarray, data: Path) -> np.ndarray:
    """The condition codes of the training rows [n]. Raises Refused where no two training rows share a condition."""
    if "condition" not in adata.obs:
        raise Refused(f"graph: found balanced, but {data} has no conditions; allowed: plain")
    condition = adata.obs["condition"].cat.codes.to_numpy()[train]
    if np.bincount(condition).max() < 2:
        raise Refused(f"graph: found balanced, but each condition of {data} has one training row; allowed: plain")
    return condition


def balanced_neighbours(z: np.ndarray, train: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """The nearest training rows of each row, equally many from each condition.

    Args:
        z: Points [N, L].
        train: Mask of the n training rows [N].
        condition: Condition codes of the training rows [n].

    Returns:
        Positions among the training rows [N, k], the nearest first. Of C conditions each gives 15 // C rows, at least
        one; a condition with too few training rows gives all but one, so that every row gets as many.
    """
    share = max(1, N_NEIGHBOURS // len(np.unique(condition)))
    positions, squares = [], []
    for code in np.flatnonzero(np.bincount(condition) > 1):
        members = np.flatnonzero(condition == code)  # among the training rows
        own = np.full(len(z), -1)
        own[np.flatnonzero(train)[members]] = np.arange(len(members))
        near, distances = nearest_rows(z, z[train][members], min(share, len(members) - 1), own)
        positions.append(members[near])
        squares.append(distances)
    together, distances = np.concatenate(positions, 1), np.concatenate(squares, 1)
    return np.take_along_axis(together, np.lexsort((together, distances), axis=-1), 1)


def report_agreement(label: np.ndarray | None, train: np.ndarray, nearest: np.ndarray) -> None:
    """Print the share of the training rows' neighbours [N, k] that have the row's own label, where both are known.

    Nothing else sees a label [N]: the file of neighbours does not depend on labels.
    """
    if label is None:
        return
    own, theirs = label[train][:, None], label[train][nearest[train]]
    known = (own >= 0) & (theirs >= 0)
    if known.any():
        print(f"neighbours of a training row that have its label: {(own == theirs)[known].mean():.4f}")


if __name__ == "__main__":
    run_step(neighbours)
