"""The response of an unseen type by kriging over the seen types: types that lie near each other change alike.

Story:      D_s ~ N( b + g(mu_s), v (1/n_s + 1/m_s) ),  g ~ GP(0, rho v k),  k(a, b) = exp( -|a - b|² / 2 l² )
            D_s is the mean change of type s in all genes, of n_s treated and m_s untreated cells; mu_s is the mean of
            its untreated cells in 10 principal components of the training cells; b has a flat prior, v is one for all
            genes
Prediction: x + E[ b + g(mu_t) | D ], where mu_t is the mean of the control cells of the unseen type t

rho and l are those of a grid with the largest evidence of the seen types, b integrated out and v at its maximum. Where
centres coincide it is the mean of the changes with weights n m / (n + m), as in mean_shift.

Source: universal kriging with a constant trend (Rasmussen & Williams 2006, section 2.7); thesis, eq:kriging.
"""

import numpy as np

from gmvae.data.principal_components import principal_axes
from gmvae.pipeline.errors import Refused
from gmvae.runs.responses.type_changes import TypeChanges, find_type_changes, median_distance, squared_distances

N_DIMENSIONS = 10
RHOS = 10.0 ** np.arange(-3, 1.01, 0.25)
LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # times the median distance between two centres
FLOOR = 1e-12  # of v, relative to the mean square of the changes


def change(x: np.ndarray, label: np.ndarray, treated: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Predict the change of a type from those of the seen types, the more from those that lie nearer.

    Args:
        x: Training cells [N, D].
        label: Type of each cell [N].
        treated: Whether each cell is treated [N].
        control: Control cells of the unseen type [n, D].

    Returns:
        The change [D].

    Raises:
        Refused: No type has cells on both sides.
    """
    mean, axes = principal_axes(x, min(N_DIMENSIONS, *x.shape))
    types = find_type_changes(x, label, treated, (x - mean) @ axes)
    if not len(types.names):
        raise Refused("kriging: no type of the training cells is seen under both conditions; use no_change")
    return krige(types, (control.mean(0) - mean) @ axes)


def krige(types: TypeChanges, at: np.ndarray) -> np.ndarray:
    """The expected change at a point.

    Args:
        types: The seen types, one or more.
        at: A point [L].

    Returns:
        The change [D].
    """
    if len(types.names) == 1:
        return types.changes[0]
    scale = median_distance(types.centres)
    grid = [(rho, length * scale) for length in LENGTHS for rho in RHOS]
    return expected_change(types, at, *max(grid, key=lambda pair: evidence(types, *pair)))


def expected_change(
    types: TypeChanges, at: np.ndarray, rho: float, length: float, trend: np.ndarray | None = None
) -> np.ndarray:
    """E[ b + g(at) | D ] at fixed rho and length; it does not depend on v.

    Args:
        types: T seen types.
        at: A point [L].
        rho: Variance of g in units of v.
        length: Length of the kernel, in the units of the centres.
        trend: b, if it is known [D]; otherwise it is estimated by generalised least squares.

    Returns:
        The change [D].
    """
    inverse = np.linalg.inv(covariance(types, rho, length))
    b = generalised_mean(types.changes, inverse) if trend is None else trend
    k = rho * np.exp(-squared_distances(at[None], types.centres) / (2 * length**2))  # 1, T
    return b + (k @ inverse @ (types.changes - b))[0]


def evidence(types: TypeChanges, rho: float, length: float) -> float:
    """The log-evidence of the changes, up to a constant: b integrated out under a flat prior, v at its maximum."""
    matrix = covariance(types, rho, length)
    inverse, (n_types, n_genes) = np.linalg.inv(matrix), types.changes.shape
    residual = types.changes - generalised_mean(types.changes, inverse)
    degrees = n_genes * (n_types - 1)
    v = np.einsum("ig,ij,jg->", residual, inverse, residual, optimize=True) / degrees
    floor = FLOOR * (types.changes**2).mean() + np.finfo(float).tiny
    log_determinants = np.linalg.slogdet(matrix)[1] + np.log(inverse.sum())
    return -0.5 * (degrees * np.log(max(v, floor)) + n_genes * log_determinants)


def covariance(types: TypeChanges, rho: float, length: float) -> np.ndarray:
    """The covariance of the types' changes about b, in units of v [T, T]."""
    kernel = np.exp(-squared_distances(types.centres, types.centres) / (2 * length**2))
    return rho * kernel + np.diag(1 / types.precision)


def generalised_mean(changes: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """The generalised least-squares mean of changes [T, D] with this inverse covariance [T, T], [D]."""
    weights = inverse.sum(0)
    return weights @ changes / weights.sum()
