"""The nearest neighbours of points, exactly: found by products of matrices in float32, then ordered in float64."""

import numpy as np
import torch

BLOCK = 2**25  # distances that are computed at once
SPARE = 8  # neighbours found beyond those asked for, so that rounding in float32 loses none
ROUNDING = 1e-5  # bound on the error of a squared distance in float32, relative to the squared lengths


def nearest_rows(points: np.ndarray, candidates: np.ndarray, k: int, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest candidates of each point by Euclidean distance.

    Args:
        points: [n, L].
        candidates: Where the neighbours are sought, [m, L].
        k: Number of neighbours, at most m, or m - 1 where a point is a candidate itself.
        own: Position of each point among the candidates, -1 where it is none of them, [n]; it is left out.

    Returns:
        Positions among the candidates [n, k], the nearest first, of equally near ones the lower position first; and
        their squared distances in float64 [n, k].
    """
    points, candidates = np.asarray(points, dtype=np.float64), np.asarray(candidates, dtype=np.float64)
    fast = torch.as_tensor(candidates, dtype=torch.float32)
    positions, squares = np.empty((len(points), k), dtype=np.int64), np.empty((len(points), k))
    step = max(1, BLOCK // len(candidates))
    for start in range(0, len(points), step):
        rows = slice(start, start + step)
        positions[rows], squares[rows] = nearest_of_block(points[rows], candidates, fast, k, own[rows])
    return positions, squares


def nearest_of_block(
    points: np.ndarray, candidates: np.ndarray, fast: torch.Tensor, k: int, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `nearest_rows`, for few points; `fast` are the candidates in float32 [m, L]."""
    lengths = fast.square().sum(1)
    squares = torch.addmm(lengths[None], torch.as_tensor(points, dtype=torch.float32), fast.T, alpha=-2)  # n, m
    known = np.flatnonzero(own >= 0)
    squares[known, own[known]] = torch.inf
    width = min(k + SPARE, len(candidates))
    farthest, near = squares.topk(width, largest=False)
    near, farthest = near.numpy(), farthest[:, -1].numpy()
    positions, exact = order_by_distance(points, candidates, near, own, k)
    if width < len(candidates):
        lengths_of_points = np.square(points).sum(1)
        tolerance = ROUNDING * (lengths_of_points + float(lengths.max()))
        for i in np.flatnonzero(exact[:, -1] >= farthest + lengths_of_points - tolerance):  # one may have been missed
            every = np.arange(len(candidates))[None]
            positions[i], exact[i] = order_by_distance(points[i : i + 1], candidates, every, own[i : i + 1], k)
    return positions, exact


def order_by_distance(
    points: np.ndarray, candidates: np.ndarray, near: np.ndarray, own: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of some candidates [n, w] of each point, and their squared distances, [n, k] each."""
    squares = np.square(points[:, None] - candidates[near]).sum(-1)
    squares[near == own[:, None]] = np.inf
    order = np.lexsort((near, squares), axis=-1)[:, :k]
    return np.take_along_axis(near, order, 1), np.take_along_axis(squares, order, 1)
