"""Step `respond`: a trained model's prediction of a cell type under a condition under which it never saw that type."""

from pathlib import Path

import anndata
import numpy as np
import torch
from torch import nn

from gmvae.formats.dataset import load_dataset
from gmvae.formats.labels import read_observed_labels
from gmvae.formats.weights import encoded_input, load_weights
from gmvae.nn.batches import rows_from_dataset, select_rows
from gmvae.nn.inference import embed_rows
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.runs.held_out import dense_double, find_held_out, write_responses
from gmvae.runs.near_delta import FIXED_FACTOR, choose_factors, find_latent_changes, stack_shifts
from gmvae.runs.residual import Cells, add_change, predict_cells
from gmvae.runs.responses import kriging
from gmvae.training.device import choose_device

DELTAS = ("none", "global", "near")


def respond(
    data: Path,
    weights: Path,
    output: Path,
    profiles: Path,
    task: str,
    model: str,
    label: str,
    condition: str,
    observed: Path | None = None,
    delta: str = "near",
    n_draws: int = 8,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Convert the type's control cells to the condition, and compare the result with its real cells, for each seed.

    Each form of the prediction has a prefix in the names of its measures. Through what the model converts by its own
    choice: none for the plain form, `residual_` for the change added to the cell; `z_` and `residual_z_` for a model
    that can convert through z as well. If the task reveals types of training cells: `near_` (or `global_`), residual
    and with the change of z of the seen types added, whose length the seen types choose; `combined_`, its mean with
    kriging; `near_fixed_` and `combined_fixed_`, the same with the length that was chosen with the types of Kang in
    sight.

    Args:
        data: The prepared dataset (.h5ad).
        weights: The trained model (.safetensors).
        output: The csv file of measures to write, with the columns of metrics.csv.
        profiles: The csv file of mean profiles to write, one line per gene.
        task: Name of the task, for the column.
        model: Name of the model, for the column.
        label: The held-out type.
        condition: The condition under which it was held out.
        observed: The labels that the model may see (csv of row, label); without labels there is no delta.
        delta: Which change of z is added: near, global (distance has no part) or none.
        n_draws: Number of draws of z, and of counts, that a prediction is the mean of.
        device: Where to compute: auto, cpu or cuda.
        threads: Number of compute threads.

    Raises:
        Refused: These cells were not held out, the model cannot convert to a condition, its counts are zero-inflated,
            or delta is unknown.
    """
    if delta not in DELTAS:
        raise Refused(f"delta: found {delta!r}; allowed: {', '.join(DELTAS)}")
    torch.set_num_threads(threads)
    torch_device = choose_device(device)
    trained, description = load_weights(weights, torch_device)
    arguments = description["arguments"]
    seeds = arguments["seeds"]
    torch.set_default_dtype(next(trained.parameters()).dtype)
    adata = load_dataset(data)
    held_out = find_held_out(adata, label, condition)
    control = load_cells(adata, held_out.control, arguments, torch_device)
    predictions = predict_by_way(trained, control, seeds, held_out.condition, n_draws)
    if delta != "none" and observed is not None:
        codes = np.where(adata.obs["split"] == "train", read_observed_labels(adata.obs, observed).codes, -1)
        known = load_cells(adata, codes >= 0, arguments, torch_device)
        treated = (adata.obs["condition"].cat.codes.to_numpy() == held_out.condition)[codes >= 0]
        types = codes[codes >= 0], treated
        predictions |= predict_with_delta(trained, control, known, types, seeds, held_out.condition, n_draws, delta)
    by_seed = {way: dict(zip(seeds, values, strict=True)) for way, values in predictions.items()}
    write_responses(by_seed, adata, held_out, task, model, output, profiles)


def load_cells(adata: anndata.AnnData, mask: np.ndarray, arguments: dict, device: torch.device) -> Cells:
    """The cells of a mask [N], as dense rows of the model that has these arguments, and on the scale of X."""
    n_seeds, n_components = len(arguments["seeds"]), arguments["n_components"]
    hidden, encode = np.full(adata.n_obs, -1), encoded_input(arguments)
    rows = rows_from_dataset(adata, hidden, n_seeds, n_components, device, encode=encode)
    rows = select_rows(rows, torch.as_tensor(np.flatnonzero(mask), device=device))
    total = adata.obs["total"].to_numpy()[mask] if "total" in adata.obs else None
    return Cells(rows, dense_double(adata.X, mask), total)


def predict_by_way(
    model: nn.Module, control: Cells, seeds: list[int], condition: int, n_draws: int
) -> dict[str, np.ndarray]:
    """The plain and the residual conversion of each control cell, [S, n, D], by prefix, through all that there is."""
    predictions = {}
    for way, through in conversion_ways(model).items():
        prediction = predict_cells(model, control, seeds, condition, n_draws, through)
        predictions[way] = prediction.after
        predictions[f"residual_{way}"] = add_change(control.x, prediction)
    return predictions


def conversion_ways(model: nn.Module) -> dict[str, str | None]:
    """What to convert through, by the prefix of its measures' names: none for the model's own choice, else as `z_`."""
    return {"": None} | {f"{through}_": through for through in model.conversions[1:]}


def predict_with_delta(
    model: nn.Module,
    control: Cells,
    known: Cells,
    types: tuple[np.ndarray, np.ndarray],
    seeds: list[int],
    condition: int,
    n_draws: int,
    delta: str,
) -> dict[str, np.ndarray]:
    """The residual conversion with a change of z of the seen types, and its mean with kriging, [S, n, D], by prefix.

    Nothing if no type is seen under both conditions. `types`: the type of each known cell, and whether it is treated.
    """
    latent = find_latent_changes(model, known.rows, *types)
    if not len(latent[0].names):
        return {}
    centres = list(embed_rows(model, control.rows).mean(1).double().cpu().numpy())
    if delta == "near":
        chosen = choose_factors(model, known, *types, latent, seeds, condition)
        factors = {"near_": chosen, "near_fixed_": [FIXED_FACTOR] * len(seeds)}
        print(f"length of near delta, times the median distance, by seed: {dict(zip(seeds, chosen, strict=True))}")
    else:
        factors = {"global_": [np.inf] * len(seeds)}
    by_kriging = control.x + kriging.change(known.x, *types, control.x)
    predictions = {}
    for way, of_seeds in factors.items():
        shift = stack_shifts(latent, centres, of_seeds, control.rows.device)
        moved = add_change(control.x, predict_cells(model, control, seeds, condition, n_draws, "z", shift))
        predictions[way] = moved
        predictions[f"combined_{'fixed_' if way.endswith('fixed_') else ''}"] = (moved + by_kriging) / 2
    return predictions


if __name__ == "__main__":
    run_step(respond)
