"""The change that a trained model predicts for cells, on the scale of X, and the residual conversion made of it.

With m(z, c) = E[X | z, c] a cell x under c that is encoded as z becomes
    x' = m(z', c')                          the plain conversion
    x' = x + ( m(z', c') - m(z, c) )        the residual conversion
The second counts the change against the model's own reconstruction of the cell, so what the model reconstructs badly
is not taken for a response.

For counts X = log1p(10⁴ x̃ / l), with l the library of the control cell in both terms, and m is the mean of this over
draws x̃ of the negative binomial; the logarithm of the mean count would be too large, most for sparse genes. Both terms
share their draws: one g ~ Gamma(r, rate r) and, of the means mu and mu', the common part Poisson(min(mu, mu') g);
Poisson(|mu - mu'| g) is added to the larger one. Each of the two is then a draw of its own negative binomial.

Source: thesis, eq:residual-conversion.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gmvae.data.normalisation import log_normalise
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.nn.batches import Batch, Rows
from gmvae.nn.inference import apply_to_rows
from gmvae.nn.random_streams import derive_key, make_generators
from gmvae.pipeline.errors import Refused


class Cells(NamedTuple):
    """n cells of one condition, as a model sees them and on the scale of X."""

    rows: Rows  # n
    x: np.ndarray  # n, D
    total: np.ndarray | None  # n   the library of each cell, for counts


class Prediction(NamedTuple):
    """m(z, c) and m(z', c') of each cell, for S seeds."""

    before: np.ndarray  # S, n, D
    after: np.ndarray  # S, n, D


def add_change(x: np.ndarray, prediction: Prediction) -> np.ndarray:
    """The residual conversion of cells.

    Args:
        x: The cells [n, D].
        prediction: What the model says of them.

    Returns:
        x + (m(z', c') - m(z, c)), [S, n, D].
    """
    return x + (prediction.after - prediction.before)


def predict_cells(
    model: nn.Module,
    cells: Cells,
    seeds: list[int],
    condition: int,
    n_draws: int,
    through: str | None = None,
    shift: Tensor | None = None,
) -> Prediction:
    """Predict cells as they are and under a condition, both from the same draws.

    Args:
        model: The trained model.
        cells: n cells.
        seeds: The model's S seeds; a seed's draws are its own, and the same in every call.
        condition: The code of the condition.
        n_draws: Draws of z, and for counts of a cell, that the means are taken over.
        through: What to convert through; None for the model's own choice.
        shift: What is added to z, in place of the model's own way [S, L].

    Returns:
        The two predictions.

    Raises:
        Refused: The model cannot convert so, or its counts are zero-inflated.
    """
    if model.p.name in COUNT_LIKELIHOODS and model.p.name != "negative_binomial":
        raise Refused(f"respond: found likelihood {model.p.name}; allowed: negative_binomial, or a set without counts")
    noise = make_generators(seeds, "respond", cells.rows.device)
    draws = [np.random.default_rng(derive_key(seed, "respond counts")) for seed in seeds]
    sums = np.zeros((2, len(seeds), *cells.x.shape))
    for _ in range(n_draws):
        means = convert_rows(model, cells.rows, condition, noise, through, shift)
        for s, pair in enumerate(means):
            sums[:, s] += on_scale_of_x(model, s, pair, cells.total, draws[s])
    return Prediction(*(sums / n_draws))


def convert_rows(
    model: nn.Module, rows: Rows, condition: int, noise: list, through: str | None, shift: Tensor | None
) -> np.ndarray:
    """E[x|z,c] and E[x|z',c'] of all rows at one draw of z, [S, 2, n, D]."""

    def means(batch: Batch) -> Tensor:
        return torch.stack([mean.mean(1) for mean in model.conversion_means(batch, condition, through, shift)], 2)

    return apply_to_rows(means, rows, model, noise).double().cpu().numpy().swapaxes(1, 2)


def on_scale_of_x(
    model: nn.Module, s: int, means: np.ndarray, total: np.ndarray | None, draws: np.random.Generator
) -> np.ndarray:
    """The means of a pair [2, n, D] as X has cells: of counts one coupled draw of seed s, log-normalised."""
    if model.p.name not in COUNT_LIKELIHOODS:
        return means
    r = model.p.log_r[s].detach().double().exp().cpu().numpy()  # 1, D
    return np.stack([log_normalise(counts, total) for counts in couple_counts(*means, r, draws)])


def couple_counts(
    mean: np.ndarray, other: np.ndarray, r: np.ndarray, draws: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw counts of two negative binomials that differ no more than their means make them.

    Args:
        mean: Means of the first counts [n, D].
        other: Means of the second counts [n, D].
        r: Dispersions, which both share [1, D].
        draws: A random generator.

    Returns:
        Counts of mean m and variance m + m²/r, for both means [n, D] each; equal where the means are.
    """
    g = draws.gamma(np.broadcast_to(r, mean.shape), 1 / r)
    common = draws.poisson(np.minimum(mean, other) * g)
    rest = draws.poisson(np.abs(other - mean) * g)
    return common + np.where(mean > other, rest, 0), common + np.where(other > mean, rest, 0)
