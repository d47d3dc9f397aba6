"""The sweep over the number of components: for each K, a short training on each draw of the rows.

What is written for a K: the mean ELBO of the rows that a draw leaves out; how alike two clusterings of all rows are
that differ in the seed only, and in the draw too (adjusted Rand index); and how many components have rows.
"""

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gmvae.formats.weights import build_model
from gmvae.metrics.scores import adjusted_rand_index, component_shares, contingency
from gmvae.nn.batches import Rows
from gmvae.nn.inference import cluster_rows, row_terms
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.errors import Refused
from gmvae.runs.choices.candidates import PARTS, STARTS, draw_part, part_seeds
from gmvae.training.loop import train_to_end
from gmvae.training.schedule import Training
from gmvae.training.start import start_at_data
from gmvae.training.state import TrainingState

SMALLEST_SHARE = 0.005  # of the rows; a component with less is empty


class Sweep(NamedTuple):
    """What all trainings of a sweep share."""

    rows_at: Callable[[np.ndarray, int, int], Rows]  # from positions, S and K to rows without labels
    n_rows: int
    module: str
    arguments: dict  # of the model, but for sizes and seeds
    encodes_components: bool
    training: Training


class Fit(NamedTuple):
    """What one seed's training tells."""

    part: int  # number of the draw that it was trained on
    cluster: np.ndarray  # of all n rows
    elbo: np.ndarray  # of the rows that the draw leaves out


def measure_numbers(sweep: Sweep, numbers: list[int]) -> list[dict[str, float]]:
    """Train with each number of components, and measure the fits.

    Args:
        sweep: Rows, model and training.
        numbers: The numbers of components to try.

    Returns:
        For each number n_components, what `measure_fits` returns, and elbo_gap, by which the mean ELBO of the rows left
        out is below the highest, with elbo_se, the standard error of this mean of paired differences.

    Raises:
        Refused: With some number, all seeds of a draw diverged.
    """
    lines, elbos = [], []
    for k in numbers:
        fits = [fit for part in range(PARTS) for fit in fit_part(sweep, part, k)]
        lines.append({"n_components": k} | measure_fits(fits, k))
        elbos.append(mean_elbos(fits))
        print(", ".join(f"{name} {value:.6g}" for name, value in lines[-1].items()), flush=True)
    best = elbos[int(np.argmax([elbo.mean() for elbo in elbos]))]
    for line, elbo in zip(lines, elbos, strict=True):
        gap = best - elbo
        line |= {"elbo_gap": float(gap.mean()), "elbo_se": float(gap.std(ddof=1) / np.sqrt(len(gap)))}
    return lines


def fit_part(sweep: Sweep, part: int, k: int) -> list[Fit]:
    """Train all seeds of one draw together; a fit for each that did not diverge. Raises Refused if none is left."""
    seeds = part_seeds(part)
    inside, outside = draw_part(part, sweep.n_rows)
    rows = sweep.rows_at(inside, STARTS, k)
    sizes = {"n_features": rows.target.shape[1], "n_components": k, "n_conditions": rows.n_conditions}
    sizes |= {"n_inputs": rows.x.shape[1]} if sweep.encodes_components else {}
    model = build_model(sweep.module, sweep.arguments | sizes | {"seeds": seeds}).to(rows.device)
    if sweep.training.start != "zero":
        start_at_data(model, rows)
    state = TrainingState(model, sweep.training, seeds, rows.device)
    train_to_end(state, rows, sweep.training)
    active = [s for s in range(STARTS) if state.statuses[s].ended != "diverged"]
    if not active:
        raise Refused(f"n_components: found auto, but all trainings with {k} diverged; allowed: a number")
    everything = sweep.rows_at(np.arange(sweep.n_rows), STARTS, k)
    cluster = cluster_rows(model, everything, None).argmax(-1).cpu().numpy()
    draws = make_generators(seeds, "held-out", rows.device)
    elbo = row_terms(model, sweep.rows_at(outside, STARTS, k), draws)["elbo"].double().cpu().numpy()
    return [Fit(part, cluster[s], elbo[s]) for s in active]


def measure_fits(fits: list[Fit], k: int) -> dict[str, float]:
    """What the fits with k components tell.

    Args:
        fits: At least two.
        k: Number of components K.

    Returns:
        elbo, the mean over rows left out and fits; ari_seeds and ari_parts, the mean adjusted Rand index of two fits on
        the same draw and on different ones, NaN where there are no two; and n_used, the mean number of components with
        0.5 % of the rows or more.
    """
    by_draw = {True: [], False: []}
    for one, other in combinations(fits, 2):
        table = contingency(one.cluster, other.cluster, k, k)
        by_draw[one.part == other.part].append(adjusted_rand_index(table))
    shares = [component_shares(fit.cluster, k) for fit in fits]
    return {
        "elbo": float(mean_elbos(fits).mean()),
        "ari_seeds": float(np.mean(by_draw[True])) if by_draw[True] else np.nan,
        "ari_parts": float(np.mean(by_draw[False])) if by_draw[False] else np.nan,
        "n_used": float(np.mean([(share >= SMALLEST_SHARE).sum() for share in shares])),
    }


def mean_elbos(fits: list[Fit]) -> np.ndarray:
    """The ELBO of each row left out, the mean over the seeds of its draw, all draws one after the other."""
    parts = sorted({fit.part for fit in fits})
    return np.concatenate([np.mean([fit.elbo for fit in fits if fit.part == part], axis=0) for part in parts])
