"""Step `annotate`: new cells on a trained model."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from torch import nn

from gmvae.cells.export import cluster_columns
from gmvae.cells.new_cells import project_on_trained_axes, read_new_cells
from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import read_observed_labels
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.weights import build_model, encoded_input, load_weights
from gmvae.formats.writing import write_csv, write_h5ad
from gmvae.nn.batches import Rows, rows_from_dataset
from gmvae.nn.inference import cluster_rows, embed_rows, importance_bounds, row_terms
from gmvae.nn.objective import objective
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.training.device import choose_device

COMPARED = 2000  # training cells, at most, whose bounds say what is usual
UNUSUAL = 1.0  # percentile of their bounds, at equal counts, below which a new cell is unlike them


def annotate(
    weights: Path,
    data: Path,
    trained: Path,
    output: Path,
    observed: Path | None = None,
    counts: str = "X",
    condition: str | None = None,
    total: str | None = None,
    max_missing: float = 0.2,
    n_draws: int = 32,
    n_importance: int = 100,
    device: str = "auto",
    threads: int = 1,
    memory: float = 4.0,
) -> None:
    """Write the clusters of new cells by a trained model, their names if it knows any, and which cells are unlike all.

    The seed is the one with the largest mean objective on the training cells. A cell is unlike the training cells if
    the importance-weighted bound on its log p(x), compared with that of training cells with as many counts, is below
    the first percentile of theirs.

    Args:
        weights: The trained model (.safetensors), with components.
        data: An .h5ad file of new cells with raw counts.
        trained: The prepared dataset (.h5ad) that the model was trained on.
        output: The .h5ad file to write; a csv of the same name, one row a cell, is written beside it.
        observed: The labels that the model saw (csv of row, label): with true labels component k is class k, and the
            cells get the names of classes.
        counts: Where the raw counts are: X, raw, or the name of a layer.
        condition: Column of obs with the conditions, for a model that is given them.
        total: Column of obs with each cell's counts over all genes, for a file that does not hold all genes.
        max_missing: Largest share of the model's genes that the file may lack; they count as 0.
        n_draws: Number of draws of z over which q(y|x) is averaged.
        n_importance: Number of draws of the importance-weighted bound.
        device: Where to compute: auto, cpu or cuda.
        threads: Number of compute threads.
        memory: GiB; a larger prepared dataset stays on disk.

    Raises:
        Refused: A file is missing, damaged or does not fit the model, or the model has no components.
    """
    torch.set_num_threads(threads)
    torch_device = choose_device(device)
    model, description = load_weights(weights, torch_device)
    torch.set_default_dtype(next(model.parameters()).dtype)
    known = load_dataset(trained, memory)
    check_model(model, description["arguments"], known, weights, trained, condition)
    adata = read_new_cells(data, known, counts, condition, total, max_missing)
    print_missing(adata.uns["missing_genes"], known.n_vars)
    if encoded_input(description["arguments"]) == "components":
        adata.obsm["X_pca"] = project_on_trained_axes(adata, known)
    place = rows_of(known, description["arguments"], torch_device)
    picked = pick_trained_seed(model, description["arguments"]["seeds"], place, known)
    alone, arguments = select_seed(model, description, picked)
    compared = compared_cells(known)
    rows, train_rows = (rows_of(cells, arguments, torch_device) for cells in (adata, compared))
    fill_annotations(adata, alone, rows, arguments, n_draws)
    if observed is not None:
        name_clusters(adata, known, observed)
    if alone.has_bound:
        flag_unlike(adata, alone, rows, compared, train_rows, n_importance)
    adata.uns["gmvae"] = {"seed": arguments["seeds"][0], "K": arguments["n_components"]}
    adata.layers["counts"] = adata.layers["counts"].astype(np.int32)
    write_h5ad(adata, output)
    write_csv(adata.obs.rename_axis("row").reset_index(), output.with_suffix(".csv"))


def check_model(
    model: nn.Module, arguments: dict, known: anndata.AnnData, weights: Path, trained: Path, condition: str | None
) -> None:
    """Raise Refused unless the model has components, fits the trained dataset of counts, and gets its conditions."""
    if not model.has_components:
        raise Refused(f"{weights}: found a model without components; allowed: one with clusters, such as gmdvae")
    if known.uns["likelihood"] not in COUNT_LIKELIHOODS or known.n_vars != arguments["n_features"]:
        found = f"{known.n_vars} features with likelihood {known.uns['likelihood']}"
        allowed = f"the counts of {arguments['n_features']} genes that {weights} was trained on"
        raise Refused(f"{trained}: found {found}; allowed: {allowed}; name that dataset")
    if model.n_conditions and condition is None:
        names = ", ".join(known.obs["condition"].cat.categories)
        raise Refused(f"--condition is missing: the model is given conditions; name the column that holds {names}")


def print_missing(missing: np.ndarray, n: int) -> None:
    """Print how many of the model's n genes the file lacks, and which."""
    if len(missing):
        print(f"warning: {len(missing)} of {n} genes of the model are missing and count as 0: {', '.join(missing)}")


def rows_of(adata: anndata.AnnData, arguments: dict, device: torch.device) -> Rows:
    """The cells as rows, without labels, for the model with these arguments."""
    hidden, k = np.full(adata.n_obs, -1), arguments["n_components"]
    return rows_from_dataset(adata, hidden, len(arguments["seeds"]), k, device, encode=encoded_input(arguments))


def pick_trained_seed(model: nn.Module, seeds: list[int], rows: Rows, known: anndata.AnnData) -> int:
    """The place among the S seeds of the one that `pick_seed` chooses, computed with the draws of the step `embed`."""
    if len(seeds) == 1:
        return 0
    terms = row_terms(model, rows, make_generators(seeds, "terms", rows.device))
    elbo = terms.pop("elbo")
    maximised = elbo if model.has_bound else objective(terms, model.kl_weight)
    train = torch.as_tensor((known.obs["split"] == "train").to_numpy(), device=rows.device)
    means = maximised[:, train].double().mean(1).nan_to_num(-torch.inf)
    return int(means.argmax())


def select_seed(model: nn.Module, description: dict, place: int) -> tuple[nn.Module, dict]:
    """One seed of a trained model, as a model of its own.

    Args:
        model: The model of S seeds.
        description: Its module and arguments, as `load_weights` returns them.
        place: Which of the S seeds.

    Returns:
        The model of the one seed, in evaluation mode, and its arguments.
    """
    arguments = description["arguments"] | {"seeds": [description["arguments"]["seeds"][place]]}
    first = next(model.parameters())
    alone = build_model(description["module"], arguments).to(first.device, first.dtype)
    # Tensors with two axes or more have the seeds first: see models/interface.py.
    state = {name: value[place : place + 1] if value.ndim > 1 else value for name, value in model.state_dict().items()}
    alone.load_state_dict(state)
    return alone.eval(), arguments


def compared_cells(known: anndata.AnnData) -> anndata.AnnData:
    """At most 2,000 training cells, spread evenly over the dataset."""
    train = np.flatnonzero(known.obs["split"] == "train")
    return known[train[np.unique(np.linspace(0, len(train) - 1, min(COMPARED, len(train))).astype(np.int64))]].copy()


def fill_annotations(adata: anndata.AnnData, model: nn.Module, rows: Rows, arguments: dict, n_draws: int) -> None:
    """Set obsm["X_gmdvae"] and obsm["q_y"] of the new cells, and their clusters with probability and entropy."""
    adata.obsm["X_gmdvae"] = embed_rows(model, rows)[0].float().cpu().numpy()
    averaged = cluster_rows(model, rows, make_generators(arguments["seeds"], "cluster", rows.device), n_draws)[0]
    adata.obsm["q_y"] = averaged.float().cpu().numpy()
    columns = cluster_columns(averaged.argmax(-1).cpu().numpy(), adata.obsm["q_y"], adata.obs_names)
    adata.obs = columns.join(adata.obs)


def name_clusters(adata: anndata.AnnData, known: anndata.AnnData, observed: Path) -> None:
    """Set obs["predicted_label"], where the model saw true labels: component k is class k; a gap for other ones."""
    if not read_observed_labels(known.obs, observed).true:
        print(f"{observed} has no true labels: the clusters have no names")
        return
    names = known.obs["label"].cat.categories
    codes = adata.obs["cluster"].cat.codes.to_numpy()
    adata.obs["predicted_label"] = pd.Categorical.from_codes(np.where(codes < len(names), codes, -1), names)


def flag_unlike(
    adata: anndata.AnnData, model: nn.Module, rows: Rows, known: anndata.AnnData, train_rows: Rows, k: int
) -> None:
    """Set obs["bound"], in nats, obs["bound_above_usual"] and obs["unlike"] of the new cells.

    Args:
        adata: The new cells.
        model: The model of one seed.
        rows: The new cells as rows.
        known: Training cells.
        train_rows: The same as rows.
        k: Number of draws of the bound.
    """
    usual, bounds = (
        importance_bounds(model, part, make_generators([0], "bound", part.device), k)[0].double().cpu().numpy()
        for part in (train_rows, rows)
    )
    above, above_train = compare_bounds(bounds, count_sums(adata), usual, count_sums(known))
    adata.obs["bound"], adata.obs["bound_above_usual"] = bounds, above
    adata.obs["unlike"] = above < np.percentile(above_train, UNUSUAL)
    n_unlike = int(adata.obs["unlike"].sum())
    print(f"{n_unlike} of {adata.n_obs} cells are unlike the training cells (expected of like ones: {UNUSUAL:g} %)")


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


if __name__ == "__main__":
    run_step(annotate)
