"""Views: another look at each row of a batch that is meant to keep its class, and the class that both looks share.

A view of a row is itself or a random one of its nearest rows (`neighbours`), then moved a little (`affine`, images) or
with a part of its counts (`thinning`). Latents and reconstruction come from the row alone, its class from both:
    q = ( q(y|z) + q(y|z_v) ) / 2,   z ~ q(z|x),  z_v ~ q(z|v)
The terms with q in place of q(y|z) are those of ELBO(x; v). A view changes only the distribution that y is inferred by,
so this is a lower bound of log p(x) for every v. Reported ELBOs, bounds and clusters have no view.

Beside it, the term `information` is the mutual information of the classes of a row and of its view. It is part of no
ELBO: it asks that classes are distinct, used alike and agree between views. It favours classes of equal size.

Source: Ji 2019 and Hu 2017 for the information.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from gmvae.nn.batches import Batch, Rows, View, at_step, one_hot, x_and_target
from gmvae.nn.mixtures import label_log_probability, labels_or_posterior
from gmvae.nn.random_streams import draw_normals, draw_uniforms

IMAGE_NEIGHBOURS = 10  # of images: farther ones change the class more often
NEIGHBOURS = 15  # of other rows, as in the neighbour graphs of cells
SHIFT = 2 / 28  # largest shift along an axis, as a share of the image's side: 2 pixels of 28
ANGLE = math.radians(10)  # largest rotation
STRETCH = 0.1  # largest logarithm of the factor along an axis
KEPT = 0.5  # the probability that thinning keeps a count
TINY = 1e-12  # smallest entry of a joint distribution, for its logarithm


class ViewDraws(NamedTuple):
    """The random numbers of the views of T steps."""

    uniform: Tensor  # S, T, B, 6   the neighbour; then rotation, two factors and two shifts
    noise: Tensor  # S, T, k, B, n_noise
    keys: Tensor | None  # S, T   to key the generators of thinning with


def draw_views(
    generators: list[torch.Generator], kinds: tuple[str, ...], n_steps: int, k: int, n_rows: int, n_noise: int
) -> ViewDraws:
    """The random numbers of the views of some steps; how many a seed draws depends on no row.

    Args:
        generators: S generators.
        kinds: The kinds of views.
        n_steps: T.
        k: Noise vectors of each row.
        n_rows: B.
        n_noise: Numbers of a noise vector.
    """
    uniform = draw_uniforms(generators, n_steps, n_rows, 6)
    noise = draw_normals(generators, n_steps, k, n_rows, n_noise)
    if "thinning" not in kinds:
        return ViewDraws(uniform, noise, None)
    keys = [torch.randint(2**62, (n_steps,), generator=g, device=g.device) for g in generators]
    return ViewDraws(uniform, noise, torch.stack(keys))


def make_view(rows: Rows, batch: Batch, kinds: tuple[str, ...], draws: ViewDraws, step: Tensor | int) -> View:
    """The views of a batch's rows, on their device.

    Args:
        rows: The N training rows; with their neighbours, and the shape of their images, where `kinds` needs them.
        batch: B rows of them.
        kinds: neighbours, affine, thinning, in this order; none of them: the view is the row, with noise of its own.
        draws: The random numbers of T steps.
        step: Which of the T steps, as in `at_step`; a number where counts are thinned.
    """
    x, target, condition = batch.x, batch.target, batch.condition
    uniform = at_step(draws.uniform, step)  # S, B, 6
    if "neighbours" in kinds:
        index = choose_neighbours(rows, batch.index, uniform[..., 0])
        x, target = x_and_target(rows, index)
        condition = one_hot(rows.condition[index], rows.n_conditions)
    if "affine" in kinds:
        x = move_images(x, rows.shape, uniform[..., 1:])
    if draws.keys is not None:
        seeds = draws.keys[:, step].tolist()
        generators = [torch.Generator(x.device).manual_seed(seed) for seed in seeds]
        x = normalise_like(x, thin_counts(target.to_dense(), generators))
    return View(x, condition, at_step(draws.noise, step))


def choose_neighbours(rows: Rows, index: Tensor, uniform: Tensor) -> Tensor:
    """A random one of the nearest rows of each row; a row with an observed label is its own neighbour.

    Args:
        rows: N rows with their neighbours.
        index: Positions of the rows, [S, B].
        uniform: Draws from [0, 1), [S, B].

    Returns:
        Positions, [S, B].
    """
    n = min(IMAGE_NEIGHBOURS if rows.shape else NEIGHBOURS, rows.neighbours.shape[1])
    choice = (uniform * n).long().clamp(max=n - 1)  # a product just below n may be rounded to n
    neighbour = rows.neighbours[index, choice].long()
    return torch.where(rows.label.gather(1, index) >= 0, index, neighbour)


def move_images(x: Tensor, shape: tuple[int, ...], uniform: Tensor) -> Tensor:
    """Images under random affine maps: rotation, stretching and shift, bilinear, with 0 outside of the image.

    Args:
        x: Images as rows, [S, B, D].
        shape: Height and width.
        uniform: Draws from [0, 1) for the angle, two factors and two shifts, [S, B, 5].

    Returns:
        The moved images, [S, B, D].
    """
    height, width = shape
    images = x.reshape(-1, 1, height, width)
    angle, log_factors, shifts = (2 * uniform.flatten(0, 1) - 1).to(x.dtype).split([1, 2, 2], -1)
    angle, factors, shifts = ANGLE * angle[:, 0], (STRETCH * log_factors).exp(), 2 * SHIFT * shifts  # sides are 2 long
    cos, sin = angle.cos(), angle.sin()
    along_x = torch.stack([cos * factors[:, 0], -sin * factors[:, 1] * height / width, shifts[:, 0]], -1)
    along_y = torch.stack([sin * factors[:, 0] * width / height, cos * factors[:, 1], shifts[:, 1]], -1)
    grid = affine_grid(torch.stack([along_x, along_y], 1), list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False).view(x.shape)


def thin_counts(counts: Tensor, generators: list[torch.Generator], kept: float = KEPT) -> Tensor:
    """Binomial draws x1 ~ Bin(x, kept) of counts x: of x ~ NB(mu, r) they are NB(kept · mu, r).

    Args:
        counts: [S, B, D].
        generators: S generators.
        kept: The probability that a count is kept.

    Returns:
        [S, B, D].
    """
    thinned = torch.zeros_like(counts)
    for own, out, generator in zip(counts, thinned, generators, strict=True):
        at = own.nonzero(as_tuple=True)
        values = own[at]
        out[at] = torch.binomial(values, torch.full_like(values, kept), generator)
    return thinned


def normalise_like(x: Tensor, counts: Tensor) -> Tensor:
    """The logarithm of counts normalised by their own library, to the total that the rows' own counts have.

    Args:
        x: What the encoder sees of the rows: log1p of their library-normalised counts, [S, B, D].
        counts: Other counts of the same rows, [S, B, D].

    Returns:
        [S, B, D].
    """
    return (counts * x.expm1().sum(-1, keepdim=True) / counts.sum(-1, keepdim=True).clamp(min=1)).log1p()


def share_class(batch: Batch, log_q_y: Tensor, of_view: Callable[[View], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The class probabilities that the terms of a row use, and the terms that only its class takes part in.

    Args:
        batch: B rows with k draws, with a view or without one.
        log_q_y: log q(y|.) of the rows, [S, k, B, K].
        of_view: From a view to its log q(y|.), [S, k, B, K].

    Returns:
        Probabilities [S, k, B, K]: the label where it is observed, else q(y|.), or with a view the mean of the two.
        The terms, [S, B] each: `label`, with a view the mean of the two log-probabilities; with a view `information`.
    """
    label = label_log_probability(batch.label, log_q_y)
    if batch.view is None:
        return labels_or_posterior(batch.label.unsqueeze(1), log_q_y.exp()), {"label": label}
    log_q_view = of_view(batch.view)
    q, q_view = log_q_y.exp(), log_q_view.exp()
    y = labels_or_posterior(batch.label.unsqueeze(1), (q + q_view) / 2)
    label = (label + label_log_probability(batch.label, log_q_view)) / 2
    shared = information(q, q_view, batch.weight)  # S
    return y, {"label": label, "information": shared.unsqueeze(-1).expand_as(label)}


def information(q: Tensor, q_view: Tensor, weight: Tensor) -> Tensor:
    """The mutual information of the classes of a row and of its view: sum_jk P_jk log( P_jk / (P_j P_k) ).

    P is the mean of q q_view^T over the batch and its draws, made symmetric. The information is at most log K, and 0
    where all rows have the same class probabilities.

    Args:
        q: Class probabilities of the rows, [S, k, B, K].
        q_view: Those of their views, [S, k, B, K].
        weight: Weights of the rows in the mean, [S, B].

    Returns:
        [S].

    Source: Ji 2019.
    """
    weighted = q * (weight / weight.sum(-1, keepdim=True))[:, None, :, None] / q.shape[1]
    with torch.autocast(q.device.type, enabled=False):  # a product of matrices, but no network's
        joint = weighted.flatten(1, 2).mT @ q_view.flatten(1, 2)  # S, K, K
    joint = ((joint + joint.mT) / 2).clamp(min=TINY)
    each = joint.sum(-1)  # S, K
    return (joint * (joint / (each.unsqueeze(-1) * each.unsqueeze(-2))).log()).sum((-2, -1))
