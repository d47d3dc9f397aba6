"""Which new cells are unlike all that a model was trained on: their density is low for as many counts as they have."""

import anndata
import numpy as np
import torch
from torch import nn

from gmvae.formats.weights import encoded_input
from gmvae.nn.batches import Rows, rows_from_dataset
from gmvae.nn.inference import importance_bounds
from gmvae.nn.random_streams import make_generators

COMPARED = 2000  # training cells, at most, whose bounds say what is usual
UNUSUAL = 1.0  # percentile of their bounds, at equal counts, below which a new cell is unlike them


def flag_unlike(
    adata: anndata.AnnData, known: anndata.AnnData, model: nn.Module, arguments: dict, k: int, device: torch.device
) -> None:
    """Set obs["bound"], in nats, obs["bound_above_usual"] and obs["unlike"] of new cells.

    Args:
        adata: The new cells, on the genes of the trained dataset.
        known: The trained dataset.
        model: The model of one seed, with a bound on log p(x).
        arguments: Its arguments.
        k: Number of draws of the bound.
        device: The device of the model.

    Source: Burda et al. 2016 for the bound.
    """
    compared = compared_cells(known)
    usual, bounds = (bounds_of(cells, model, arguments, k, device) for cells in (compared, adata))
    above, above_train = compare_bounds(bounds, count_sums(adata), usual, count_sums(compared))
    adata.obs["bound"], adata.obs["bound_above_usual"] = bounds, above
    adata.obs["unlike"] = above < np.percentile(above_train, UNUSUAL)
    n_unlike = int(adata.obs["unlike"].sum())
    print(f"{n_unlike} of {adata.n_obs} cells are unlike the training cells (expected of like ones: {UNUSUAL:g} %)")


def compared_cells(known: anndata.AnnData) -> anndata.AnnData:
    """At most 2,000 training cells, spread evenly over the dataset."""
    train = np.flatnonzero(known.obs["split"] == "train")
    return known[train[np.unique(np.linspace(0, len(train) - 1, min(COMPARED, len(train))).astype(np.int64))]].copy()


def rows_of(adata: anndata.AnnData, arguments: dict, device: torch.device) -> Rows:
    """The cells as rows, without labels, for the model with these arguments."""
    hidden, k = np.full(adata.n_obs, -1), arguments["n_components"]
    return rows_from_dataset(adata, hidden, len(arguments["seeds"]), k, device, encode=encoded_input(arguments))


def bounds_of(adata: anndata.AnnData, model: nn.Module, arguments: dict, k: int, device: torch.device) -> np.ndarray:
    """The importance-weighted bound on log p(x) of each cell [N], with k draws."""
    rows, draws = rows_of(adata, arguments, device), make_generators(arguments["seeds"], "bound", device)
    return importance_bounds(model, rows, draws, k)[0].double().cpu().numpy()


def count_sums(adata: anndata.AnnData) -> np.ndarray:
    """The sum of the counts of each cell over the modelled genes [N]."""
    return np.asarray(adata.layers["counts"].sum(axis=1), dtype=np.float64).ravel()


def compare_bounds(
    bounds: np.ndarray, sums: np.ndarray, usual: np.ndarray, usual_sums: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Subtract from bounds on log p(x) what training cells with as many counts have.

    The more counts a cell has, the lower is the probability of any of its outcomes: without this, a foreign cell with
    few counts passes, and a usual one with many does not. The usual bound is a parabola in the logarithm of the counts.

    Args:
        bounds: Bounds of new cells [N].
        sums: Sums of their counts [N].
        usual: Bounds of training cells [n].
        usual_sums: Sums of their counts [n].

    Returns:
        Nats above the usual bound, of the new cells [N] and of the training cells [n].
    """
    centre, scale = np.log1p(usual_sums).mean(), np.log1p(usual_sums).std() or 1.0
    powers, train_powers = (np.vander((np.log1p(n) - centre) / scale, 3) for n in (sums, usual_sums))
    parabola = np.linalg.lstsq(train_powers, usual, rcond=None)[0]
    return bounds - powers @ parabola, usual - train_powers @ parabola
