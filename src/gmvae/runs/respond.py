"""Step `respond`: a trained model's prediction of a cell type under a condition under which it never saw that type."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from gmvae.data.normalisation import log_normalise
from gmvae.formats.dataset import load_dataset
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.weights import encoded_input, load_weights
from gmvae.nn.batches import Rows, rows_from_dataset, select_rows
from gmvae.nn.inference import apply_to_rows
from gmvae.nn.likelihoods import Likelihood
from gmvae.nn.random_streams import derive_key, make_generators
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.runs.held_out import find_held_out, write_responses
from gmvae.training.device import choose_device


def respond(
    data: Path,
    weights: Path,
    output: Path,
    profiles: Path,
    task: str,
    model: str,
    label: str,
    condition: str,
    n_draws: int = 16,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Convert the type's control cells to the condition, and compare the result with its real cells, for each seed.

    Args:
        data: The prepared dataset (.h5ad).
        weights: The trained model (.safetensors).
        output: The csv file of measures to write, with the columns of metrics.csv.
        profiles: The csv file of mean profiles to write, one line per gene.
        task: Name of the task, for the column.
        model: Name of the model, for the column.
        label: The held-out type.
        condition: The condition under which it was held out.
        n_draws: Number of predictions of each control cell.
        device: Where to compute: auto, cpu or cuda.
        threads: Number of compute threads.

    Raises:
        Refused: These cells were not held out, the model cannot convert to a condition, or its counts are
            zero-inflated.
    """
    torch.set_num_threads(threads)
    torch_device = choose_device(device)
    trained, description = load_weights(weights, torch_device)
    arguments = description["arguments"]
    seeds = arguments["seeds"]
    torch.set_default_dtype(next(trained.parameters()).dtype)
    adata = load_dataset(data)
    cells = find_held_out(adata, label, condition)
    hidden, encode = np.full(adata.n_obs, -1), encoded_input(arguments)
    rows = rows_from_dataset(adata, hidden, len(seeds), arguments["n_components"], torch_device, encode=encode)
    rows = select_rows(rows, torch.as_tensor(np.flatnonzero(cells.control), device=torch_device))
    total = adata.obs["total"].to_numpy()[cells.control] if "total" in adata.obs else None
    predictions = {}
    for way, through in conversion_ways(trained).items():
        by_seed = predict_cells(trained, rows, seeds, cells.condition, total, n_draws, through)
        predictions[way] = dict(zip(seeds, by_seed, strict=True))
    write_responses(predictions, adata, cells, task, model, output, profiles)


def conversion_ways(model: nn.Module) -> dict[str, str | None]:
    """What to convert through, by the prefix of its measures' names: none for the model's own choice, else as `z_`."""
    return {"": None} | {f"{through}_": through for through in model.conversions[1:]}


def predict_cells(
    model: nn.Module,
    rows: Rows,
    seeds: list[int],
    condition: int,
    total: np.ndarray | None,
    n_draws: int,
    through: str | None,
) -> np.ndarray:
    """Predict each row under the condition, as the mean of n_draws predictions [S, N, D].

    For a model of counts, one prediction is a cell: counts drawn from p(x|z,c') and log-normalised with the control
    cell's `total` [N], as real counts are. The logarithm of a mean count would be too large, most for sparse genes.
    """
    draws = make_generators(seeds, "respond", rows.device)
    counts = [np.random.default_rng(derive_key(seed, "respond counts")) for seed in seeds]
    predictions = np.zeros((len(seeds), *rows.target.shape))
    for _ in range(n_draws):
        means = apply_to_rows(lambda batch: model.convert(batch, condition, through), rows, model, draws)
        for s, mean in enumerate(means.double().cpu().numpy()):
            predictions[s] += as_seen_by_models(mean, model.p, s, total, counts[s]) / n_draws
    return predictions


def as_seen_by_models(
    mean: np.ndarray, p: Likelihood, s: int, total: np.ndarray | None, draws: np.random.Generator
) -> np.ndarray:
    """Cells with this mean [N, D] in the form of X: log-normalised draws from seed s's counts, else the mean."""
    if p.name not in COUNT_LIKELIHOODS:
        return mean
    if p.name != "negative_binomial":
        raise Refused(f"respond: found likelihood {p.name}; allowed: negative_binomial, or a dataset without counts")
    r = p.log_r[s].detach().double().exp().cpu().numpy()  # 1, D
    counts = draws.negative_binomial(np.broadcast_to(r, mean.shape), r / (r + mean))
    return log_normalise(counts, total)


if __name__ == "__main__":
    run_step(respond)
