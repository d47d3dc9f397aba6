"""How well the response of one type of cells to a condition is predicted: measures on mean profiles.

The profiles are means of X over cells; for cells X is log-normalised, as in the publication of scGen (Lotfollahi 2019),
whose r² is the first of the measures here. A profile says little: a type's own control profile already predicts most of
it. So the change is measured too, stimulated less control, and there the control cells are split in two. One half
predicts, and its own profile is what the prediction has changed; the real change is counted from the other half:
    predicted change = mean prediction(A) - mean control(A),    real change = mean stimulated - mean control(B)
With one control profile in both, its noise would stand in both, and they would agree where there is no effect at all.

Source: thesis, eq:response-change.
"""

import numpy as np
from scipy.stats import rankdata

from gmvae.pipeline.errors import Refused

N_HALVINGS = 100
N_DIFFERENTIAL = 100


def response_measures(predicted: np.ndarray, control: np.ndarray, stimulated: np.ndarray) -> dict[str, float]:
    """Every measure of a prediction by name, from cells: predicted and control [n, D] row by row, stimulated [m, D].

    r2 is the squared correlation over genes of the mean predicted and the mean real profile, r2_score the share of the
    real one's variance that the prediction explains, negative where its own mean would do better; `change_` are the
    same of the change, means of 100 halvings; `_de` are on the genes that differ most between the real cells only.
    """
    genes = differential_genes(stimulated, control)
    real = stimulated.mean(0)
    found = both_measures("", predicted.mean(0)[None], real[None], genes)
    halves = halvings(len(control))  # of A; the rest is B
    n_a = halves.sum(1, keepdims=True)
    change = (halves @ (predicted - control)) / n_a
    return found | both_measures("change_", change, real - (1 - halves) @ control / (len(control) - n_a), genes)


def both_measures(prefix: str, predicted: np.ndarray, real: np.ndarray, genes: np.ndarray) -> dict[str, float]:
    """Both measures on all genes and on some (positions), averaged over the rows of predicted and real [H, D]."""
    found = {}
    for suffix, some in (("", slice(None)), ("_de", genes)):
        found[f"{prefix}r2{suffix}"] = float(squared_correlation(predicted[:, some], real[:, some]).mean())
        found[f"{prefix}r2_score{suffix}"] = float(explained_variance(predicted[:, some], real[:, some]).mean())
    return found


def squared_correlation(predicted: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Pearson's correlation, squared, of each row [H, D] -> [H]; 0 where a row is constant, as for no change at all."""
    a = predicted - predicted.mean(1, keepdims=True)
    b = real - real.mean(1, keepdims=True)
    norms = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.divide((a * b).sum(1), norms, out=np.zeros_like(norms), where=norms > 0) ** 2


def explained_variance(predicted: np.ndarray, real: np.ndarray) -> np.ndarray:
    """1 - squared error / squared deviation of the real values from their mean, of each row [H, D] -> [H].

    As scikit-learn's r2_score: 1 for what is exact, and where the real values are all alike 0 for what is not.
    """
    error = ((real - predicted) ** 2).sum(1)
    spread = ((real - real.mean(1, keepdims=True)) ** 2).sum(1)
    return np.where(spread > 0, 1 - error / np.where(spread > 0, spread, 1), np.where(error > 0, 0.0, 1.0))


def halvings(n: int, times: int = N_HALVINGS) -> np.ndarray:
    """Which of n rows are in the first half, as 0 and 1 [times, n]: the draw depends on n only. Refused below two."""
    if n < 2:
        raise Refused(f"response: found {n} control cells of the held-out type; allowed: two or more, for two halves")
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(n), (times, 1)), axis=1)
    return (orders < n // 2).astype(np.float64)


def differential_genes(stimulated: np.ndarray, control: np.ndarray, n: int = N_DIFFERENTIAL) -> np.ndarray:
    """Positions of the n genes [n] whose values differ most, by the rank-sum statistic, the most different first."""
    return np.argsort(-np.abs(rank_sum(stimulated, control)), kind="stable")[:n]


def rank_sum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Wilcoxon's rank-sum statistic of each column of x [n, D] against y [m, D], standardised with ties -> [D]."""
    n, m = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]), axis=0)  # ties have their mean rank
    variance = n * m / (n + m) * ranks.var(0, ddof=1)
    centred = ranks[:n].sum(0) - n * (n + m + 1) / 2
    return np.divide(centred, np.sqrt(variance), out=np.zeros(x.shape[1]), where=variance > 0)


def example_change(predicted: np.ndarray, control: np.ndarray, stimulated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The predicted and the real change [D] of the first halving, for a picture."""
    first = halvings(len(control))[0]
    half, other = first > 0, first == 0
    return (predicted[half] - control[half]).mean(0), stimulated.mean(0) - control[other].mean(0)
