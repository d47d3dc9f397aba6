"""The mean response of the other types: the mean of their changes, each treated cells minus untreated cells.

A type with n treated and m untreated cells has the weight n m / (n + m), the inverse variance of its change where all
cells vary alike: a type of two cells counts little. Types seen on one side only have no change.

Source: thesis, eq:mean-shift.
"""

import numpy as np

from gmvae.pipeline.errors import Refused
from gmvae.runs.responses.type_changes import find_type_changes


def change(x: np.ndarray, label: np.ndarray, treated: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Average the changes of the types, weighted by their precision.

    Args:
        x: Training cells [N, D].
        label: Type of each cell [N].
        treated: Whether each cell is treated [N].
        control: Ignored: the change is one for every type.

    Returns:
        The mean change [D].

    Raises:
        Refused: No type has cells on both sides.
    """
    types = find_type_changes(x, label, treated)
    if not len(types.names):
        raise Refused("mean_shift: no type of the training cells is seen under both conditions; use no_change")
    return types.precision @ types.changes / types.precision.sum()
