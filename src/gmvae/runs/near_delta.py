"""The change of z of an unseen type, from those of the seen types: the more from a type, the nearer it lies.

    delta(t) = sum_s o_s delta_s / sum_s o_s,    o_s = n_s m_s / (n_s + m_s) · exp( -|mu_t - mu_s|² / 2 l² )

delta_s is the mean z of the n_s stimulated training cells of type s minus that of its m_s control cells, mu the mean z
of control cells. l is a factor times the median distance of the seen types' mu; with an infinite l (`global`) distance
has no part. The held-out cells have no part either: their type has no stimulated training cell.

The factor is chosen without the held-out type. Each seen type in turn is predicted from its control cells with a delta
of the other seen types, and the factor with the least squared error of the mean change in genes, weighted by
n m / (n + m), is taken, by each seed for itself. The model is not trained anew for this: its decoder knows the left-out
type under both conditions, so the errors are smaller than those of a type that was never seen, and they serve to
compare factors only. (The share of kriging in the combination is one half and not chosen: kriging has no part that
knows the left-out type, so the comparison would be unfair to it.)

Source: thesis, eq:near-delta.
"""

import numpy as np
import torch
from torch import Tensor, nn

from gmvae.nn.batches import Rows, select_rows
from gmvae.nn.inference import embed_rows
from gmvae.runs.residual import Cells, predict_cells
from gmvae.runs.responses.type_changes import (
    TypeChanges,
    find_type_changes,
    leave_out,
    median_distance,
    squared_distances,
)

FACTORS = (0.25, 0.5, 1.0, np.inf)  # of the median distance
FIXED_FACTOR = 0.5  # of the row whose factor is not chosen
CHOICE_CELLS = 100  # control cells of each left-out type, at most
CHOICE_DRAWS = 2


def weigh_changes(types: TypeChanges, at: np.ndarray, factor: float) -> np.ndarray:
    """The mean of the types' changes, weighted by precision and nearness.

    Args:
        types: T seen types, one or more.
        at: The centre of the type that is predicted [L].
        factor: l in units of the median distance of the centres; infinite if distance has no part.

    Returns:
        The change [L].
    """
    length = factor * median_distance(types.centres)
    log_weights = np.log(types.precision) - squared_distances(at[None], types.centres)[0] / (2 * length**2)
    weights = np.exp(log_weights - log_weights.max())
    return weights @ types.changes / weights.sum()


def find_latent_changes(model: nn.Module, rows: Rows, label: np.ndarray, treated: np.ndarray) -> list[TypeChanges]:
    """The change of z of each seen type, by seed.

    Args:
        model: The trained model.
        rows: The training rows whose type is known, N.
        label: Their types [N].
        treated: Whether each is treated [N].

    Returns:
        S lists of the same types.
    """
    return [find_type_changes(z, label, treated) for z in embed_rows(model, rows).double().cpu().numpy()]


def choose_factors(
    model: nn.Module,
    cells: Cells,
    label: np.ndarray,
    treated: np.ndarray,
    latent: list[TypeChanges],
    seeds: list[int],
    condition: int,
) -> list[float]:
    """The factor of each seed with which the seen types predict each other best.

    Args:
        model: The trained model.
        cells: The training cells whose type is known, N.
        label: Their types [N].
        treated: Whether each is treated [N].
        latent: The change of z of each seen type, by seed.
        seeds: The model's S seeds.
        condition: The code of the condition that is predicted.

    Returns:
        One of FACTORS for each seed; FIXED_FACTOR where fewer than three types are seen.
    """
    types = find_type_changes(cells.x, label, treated)
    if len(types.names) < 3:
        return [FIXED_FACTOR] * len(seeds)
    errors = np.zeros((len(FACTORS), len(seeds)))
    for number, name in enumerate(types.names):
        some = select_cells(cells, np.flatnonzero((label == name) & ~treated)[:CHOICE_CELLS])
        others = [leave_out(of_seed, number) for of_seed in latent]
        centres = [of_seed.centres[number] for of_seed in latent]
        for i, factor in enumerate(FACTORS):
            shift = stack_shifts(others, centres, [factor] * len(seeds), cells.rows.device)
            before, after = predict_cells(model, some, seeds, condition, CHOICE_DRAWS, "z", shift)
            change = (after - before).mean(1)  # S, D
            errors[i] += types.precision[number] * ((change - types.changes[number]) ** 2).sum(1)
    return [FACTORS[i] for i in errors.argmin(0)]


def stack_shifts(
    latent: list[TypeChanges], centres: list[np.ndarray], factors: list[float], device: torch.device
) -> Tensor:
    """The delta of each seed for its own centre [L] and factor, [S, L], in the default precision."""
    shifts = [weigh_changes(*parts) for parts in zip(latent, centres, factors, strict=True)]
    return torch.as_tensor(np.stack(shifts), dtype=torch.get_default_dtype(), device=device)


def select_cells(cells: Cells, positions: np.ndarray) -> Cells:
    """Some of the cells, by their positions [n]."""
    rows = select_rows(cells.rows, torch.as_tensor(positions, device=cells.rows.device))
    return Cells(rows, cells.x[positions], None if cells.total is None else cells.total[positions])
