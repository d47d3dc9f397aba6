"""Step `annotate`: new cells on a trained model."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from torch import nn

from gmvae.cells.export import cluster_columns
from gmvae.cells.new_cells import project_on_trained_axes, read_new_cells
from gmvae.cells.new_files import FileOfCells
from gmvae.cells.unlike import flag_unlike, rows_of
from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import read_observed_labels
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.weights import build_model, encoded_input, load_weights
from gmvae.formats.writing import write_csv, write_h5ad
from gmvae.nn.batches import Rows
from gmvae.nn.inference import cluster_rows, embed_rows, row_terms
from gmvae.nn.objective import objective
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.training.device import choose_device

SHOWN = 20  # missing genes that are printed


def annotate(
    weights: Path,
    data: Path,
    trained: Path,
    output: Path,
    observed: Path | None = None,
    counts: str | None = None,
    gene_names: str | None = None,
    condition: str | None = None,
    total: str | None = None,
    annotations: str = "",
    genome: str = "",
    prefix: str | None = None,
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
        data: New cells with raw counts: an .h5ad, an .h5 of 10x, a folder with a matrix.mtx, or a zarr store of
            anndata.
        trained: The prepared dataset (.h5ad) that the model was trained on.
        output: The .h5ad file to write; a csv of the same name, one row a cell, is written beside it.
        observed: The labels that the model saw (csv of row, label): with true labels component k is class k, and the
            cells get the names of classes.
        counts: Where the raw counts are: X, raw, or the name of a layer. By default it is chosen by the values.
        gene_names: Column of var with the names of the genes, for 10x symbols or ids. By default those are taken that
            most genes of the model have.
        condition: Column of obs with the conditions, for a model that is given them.
        total: Column of obs with each cell's counts over all genes, for a file that does not hold all genes.
        annotations: For 10x, a csv or tsv file whose first column holds the barcodes, with these columns.
        genome: For an .h5 of 10x with several genomes: the one to read.
        prefix: For a folder of 10x with several sets of files: what the names of one begin with.
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
    check_trained_model(model, description["arguments"], known, weights, trained, condition)
    file = FileOfCells(data, counts, gene_names, condition, total, annotations, genome, prefix)
    adata = read_new_cells(file, known, max_missing)
    print_missing(adata.uns["missing_genes"], known.n_vars)
    if encoded_input(description["arguments"]) == "components":
        adata.obsm["X_pca"] = project_on_trained_axes(adata, known)
    known_rows = rows_of(known, description["arguments"], torch_device)
    picked = pick_trained_seed(model, description["arguments"]["seeds"], known_rows, known)
    alone, arguments = select_seed(model, description, picked)
    rows = rows_of(adata, arguments, torch_device)
    fill_annotations(adata, alone, rows, arguments, n_draws)
    if observed is not None:
        add_class_names(adata, known, observed)
    if alone.has_bound:
        flag_unlike(adata, known, alone, arguments, n_importance, torch_device)
    adata.uns["gmvae"] = {"seed": arguments["seeds"][0], "K": arguments["n_components"]}
    adata.layers["counts"] = adata.layers["counts"].astype(np.int32)
    write_h5ad(adata, output)
    write_csv(adata.obs.rename_axis("row").reset_index(), output.with_suffix(".csv"))


def check_trained_model(
    model: nn.Module, arguments: dict, known: anndata.AnnData, weights: Path, trained: Path, condition: str | None
) -> None:
    """Raise Refused unless the model has components, fits the trained dataset of counts, and gets its conditions."""
    if not model.has_components:
        raise Refused(f"{weights}: found a model without components; allowed: one with clusters, such as gmdvae")
    if known.uns["likelihood"] not in COUNT_LIKELIHOODS or known.n_vars != arguments["n_features"]:
        content = f"{known.n_vars} features with likelihood {known.uns['likelihood']}"
        allowed = f"the counts of {arguments['n_features']} genes that {weights} was trained on"
        raise Refused(f"{trained}: found {content}; allowed: {allowed}; name that dataset")
    if model.n_conditions and condition is None:
        names = ", ".join(known.obs["condition"].cat.categories)
        raise Refused(f"--condition is missing: the model is given conditions; name the column that holds {names}")


def print_missing(missing: np.ndarray, n: int) -> None:
    """Print how many of the model's n genes the file lacks, and which."""
    if len(missing):
        names = ", ".join(missing[:SHOWN]) + ", ... (all in uns['missing_genes'])" * (len(missing) > SHOWN)
        print(f"warning: {len(missing)} of {n} genes of the model are missing and count as 0: {names}")


def pick_trained_seed(model: nn.Module, seeds: list[int], rows: Rows, known: anndata.AnnData) -> int:
    """The place among the S seeds of the one that `pick_seed` chooses, computed with the draws of the step `embed`."""
    if len(seeds) == 1:
        return 0
    terms = row_terms(model, rows, make_generators(seeds, "terms", rows.device))
    elbo = terms.pop("elbo")
    maximised = elbo if model.has_bound else objective(terms, model.kl_weight)
    train = torch.as_tensor((known.obs["split"] == "train").to_numpy(), device=rows.device)
    means = maximised[:, train].double().mean(1)
    return int(means.where(means.isfinite(), -torch.inf).argmax())  # a seed that diverged is not picked


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


def fill_annotations(adata: anndata.AnnData, model: nn.Module, rows: Rows, arguments: dict, n_draws: int) -> None:
    """Set obsm["X_gmdvae"] and obsm["q_y"] of the new cells, and their clusters with probability and entropy."""
    adata.obsm["X_gmdvae"] = embed_rows(model, rows)[0].float().cpu().numpy()
    averaged = cluster_rows(model, rows, make_generators(arguments["seeds"], "cluster", rows.device), n_draws)[0]
    adata.obsm["q_y"] = averaged.float().cpu().numpy()
    columns = cluster_columns(averaged.argmax(-1).cpu().numpy(), adata.obsm["q_y"], adata.obs_names)
    adata.obs = columns.join(adata.obs)


def add_class_names(adata: anndata.AnnData, known: anndata.AnnData, observed: Path) -> None:
    """Set obs["predicted_label"], where the model saw true labels: component k is class k; a gap for other ones."""
    if not read_observed_labels(known.obs, observed).true:
        print(f"{observed} has no true labels: the clusters have no names")
        return
    names = known.obs["label"].cat.categories
    codes = adata.obs["cluster"].cat.codes.to_numpy()
    adata.obs["predicted_label"] = pd.Categorical.from_codes(np.where(codes < len(names), codes, -1), names)


if __name__ == "__main__":
    run_step(annotate)
