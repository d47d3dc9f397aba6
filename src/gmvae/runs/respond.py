"""Step `respond`: what a trained model predicts of a type of cells under a condition it never saw the type under."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from gmvae.data.normalisation import log_normalise
from gmvae.formats.dataset import load_dataset
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.weights import load_weights
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
    """Convert the type's control cells to the condition, and measure the result against its real cells, per seed.

    data: the prepared data set (h5ad). weights: the trained model. output: csv of the measures, in the columns of
    metrics.csv. profiles: csv of the mean profiles by gene. task, model: names. label, condition: what was held out.
    n_draws: predictions of each control cell. device, threads: as in training.

    Raises:
        Refused: nothing was held out so, the model has no condition to convert to, or zero-inflated counts.
    """
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    trained, described = load_weights(weights, chosen)
    arguments = described["arguments"]
    seeds = arguments["seeds"]
    torch.set_default_dtype(next(trained.parameters()).dtype)
    adata = load_dataset(data)
    cells = find_held_out(adata, label, condition)
    rows = rows_from_dataset(adata, np.full(adata.n_obs, -1), len(seeds), arguments["n_components"], chosen)
    rows = select_rows(rows, torch.as_tensor(np.flatnonzero(cells.control), device=chosen))
    total = adata.obs["total"].to_numpy()[cells.control] if "total" in adata.obs else None
    found = {
        way: dict(
            zip(seeds, predict_cells(trained, rows, seeds, cells.condition, total, n_draws, through), strict=True)
        )
        for way, through in conversion_ways(trained).items()
    }
    write_responses(found, adata, cells, task, model, output, profiles)


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
    """What X each row becomes under the condition, the mean of n_draws predictions, [S, N, D].

    Of a count model a prediction is a cell: counts drawn from p(x|z,c') and log-normalised with the control cell's
    `total` [N], as real ones are. The logarithm of a mean count would be too large, and the more the sparser the gene.
    """
    draws = make_generators(seeds, "respond", rows.device)
    counts = [np.random.default_rng(derive_key(seed, "respond counts")) for seed in seeds]
    found = np.zeros((len(seeds), *rows.x.shape))
    for _ in range(n_draws):
        means = apply_to_rows(lambda batch: model.convert(batch, condition, through), rows, model, draws)
        for s, mean in enumerate(means.double().cpu().numpy()):
            found[s] += as_seen_by_models(mean, model.p, s, total, counts[s]) / n_draws
    return found


def as_seen_by_models(
    mean: np.ndarray, p: Likelihood, s: int, total: np.ndarray | None, draws: np.random.Generator
) -> np.ndarray:
    """What a model would see of cells of this mean [N, D]: log-normalised draws of seed s's counts, else the mean."""
    if p.name not in COUNT_LIKELIHOODS:
        return mean
    if p.name != "negative_binomial":
        raise Refused(f"respond: found likelihood {p.name}; allowed: negative_binomial, or a data set without counts")
    r = p.log_r[s].detach().double().exp().cpu().numpy()  # 1, D
    drawn = draws.negative_binomial(np.broadcast_to(r, mean.shape), r / (r + mean))
    return log_normalise(drawn, total)


if __name__ == "__main__":
    run_step(respond)
