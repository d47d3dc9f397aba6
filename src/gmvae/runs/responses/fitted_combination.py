"""A reference and no prediction: the combination of the seen types' changes that is fitted to the real cells.

The weights of the changes are those with the least squared error to the change of the held-out cells themselves, so the
truth is used. A method that weighs the seen types' changes cannot do better; one that leaves their span can.

Source: thesis, sec:responses.
"""

import numpy as np

from gmvae.pipeline.errors import Refused
from gmvae.runs.responses.type_changes import find_type_changes


def change(
    x: np.ndarray, label: np.ndarray, treated: np.ndarray, control: np.ndarray, stimulated: np.ndarray
) -> np.ndarray:
    """Fit the changes of the seen types to the change of the held-out one.

    Args:
        x: Training cells [N, D].
        label: Type of each cell [N].
        treated: Whether each cell is treated [N].
        control: Control cells of the held-out type [n, D].
        stimulated: The real held-out cells [m, D]; an expectation that takes them is a reference.

    Returns:
        The change [D].

    Raises:
        Refused: No type has cells on both sides.
    """
    changes = find_type_changes(x, label, treated).changes  # T, D
    if not len(changes):
        raise Refused("fitted_combination: no type of the training cells is seen under both conditions; leave it out")
    weights = np.linalg.lstsq(changes.T, stimulated.mean(0) - control.mean(0), rcond=None)[0]
    return weights @ changes
