"""What the types that are seen under both conditions say of the response: their changes, and where they lie."""

from typing import NamedTuple

import numpy as np


class TypeChanges(NamedTuple):
    """The T types with cells on both sides, in the order of their names."""

    names: np.ndarray  # T
    changes: np.ndarray  # T, D   mean of the treated cells minus mean of the untreated ones
    centres: np.ndarray  # T, L   mean of the untreated cells in a space
    precision: np.ndarray  # T   n m / (n + m) of n treated and m untreated cells


def find_type_changes(
    x: np.ndarray, label: np.ndarray, treated: np.ndarray, space: np.ndarray | None = None
) -> TypeChanges:
    """Find the types of cells that are seen under both conditions, and how each of them changes.

    Args:
        x: Cells whose change is counted [N, D].
        label: Type of each cell [N].
        treated: Whether each cell is treated [N].
        space: Coordinates of the cells, for the centres [N, L]; x by default.

    Returns:
        The types; none if no type has cells on both sides.
    """
    space = x if space is None else space
    sides = {name: ((label == name) & treated, (label == name) & ~treated) for name in np.unique(label)}
    sides = {name: (on, off) for name, (on, off) in sides.items() if on.any() and off.any()}
    changes = [x[on].mean(0) - x[off].mean(0) for on, off in sides.values()]
    centres = [space[off].mean(0) for _, off in sides.values()]
    numbers = np.array([(on.sum(), off.sum()) for on, off in sides.values()], dtype=np.float64).reshape(-1, 2)
    return TypeChanges(
        np.array(list(sides)),
        np.array(changes).reshape(-1, x.shape[1]),
        np.array(centres).reshape(-1, space.shape[1]),
        numbers.prod(1) / numbers.sum(1),
    )


def leave_out(types: TypeChanges, number: int) -> TypeChanges:
    """All types but one.

    Args:
        types: T types.
        number: The position of the type that is left out.

    Returns:
        T - 1 types.
    """
    return TypeChanges(*(np.delete(values, number, axis=0) for values in types))


def median_distance(centres: np.ndarray) -> float:
    """The median distance between two different centres [T, L]; 1 if all coincide."""
    distances = np.sqrt(squared_distances(centres, centres))[np.triu_indices(len(centres), 1)]
    positive = distances[distances > 0]
    return float(np.median(positive)) if len(positive) else 1.0


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The squared distances of two groups of points, [n, L] and [m, L] -> [n, m]; exactly 0 for equal points."""
    return ((a[:, None] - b[None]) ** 2).sum(-1)
