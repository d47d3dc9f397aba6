"""Which numbers of components are tried, and on which rows: the one place that says how large a sweep is."""

import math

import numpy as np

from gmvae.nn.random_streams import derive_key
from gmvae.pipeline.errors import Refused

RATIO = 1.2  # of each candidate to the one before it, where that is more than a step of one
ROWS_PER_SQUARE = 8  # K² is at most the number of training rows over this: 15 components for 1,800 rows
MOST = 30  # components
FEWEST = 3  # a sweep that ends below this tells nothing
MOST_ROWS = 4000  # training rows that are used; more make the sweep longer and the answer no other
PARTS = 3  # draws of 80 % of the rows
SHARE = 0.8
STARTS = 2  # seeds on each draw


def candidate_numbers(n_rows: int) -> list[int]:
    """The numbers of components that a sweep tries: each from 2, then about 20 % more each time.

    Args:
        n_rows: Number of training rows.

    Returns:
        K, ascending, up to the root of n_rows / 8 and at most 30.

    Raises:
        Refused: There are too few rows for three components.
    """
    most = min(MOST, math.isqrt(n_rows // ROWS_PER_SQUARE))
    if most < FEWEST:
        fewest = ROWS_PER_SQUARE * FEWEST**2
        raise Refused(
            f"n_components: found auto with {n_rows} training rows; allowed: at least {fewest} rows, or a number"
        )
    numbers = [2]
    while numbers[-1] < most:
        numbers.append(min(most, max(numbers[-1] + 1, round(numbers[-1] * RATIO))))
    return numbers


def draw_subset(n_rows: int) -> np.ndarray:
    """Positions of the training rows that a sweep uses, ascending: all, or 4,000 of them."""
    if n_rows <= MOST_ROWS:
        return np.arange(n_rows)
    generator = np.random.default_rng(derive_key(0, "rows of a sweep"))
    return np.sort(generator.choice(n_rows, MOST_ROWS, replace=False))


def draw_part(part: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of one draw.

    Args:
        part: Its number.
        n_rows: Number of rows n.

    Returns:
        Positions of the 80 % that are trained on, and of the others, each ascending.
    """
    order = np.random.default_rng(derive_key(part, "part of a sweep")).permutation(n_rows)
    n = round(SHARE * n_rows)
    return np.sort(order[:n]), np.sort(order[n:])


def part_seeds(part: int) -> list[int]:
    """The seeds of the trainings on one draw, which no study has.

    Args:
        part: Its number.

    Returns:
        Two numbers of 31 bits.
    """
    return [derive_key(STARTS * part + start, "seed of a sweep") % 2**31 for start in range(STARTS)]
