"""How well a method predicts the response of one type of cells to a condition: measures on mean profiles.

The profiles are means of X over cells; for cells X is log-normalised, as in the publication of scGen (Lotfollahi 2019),
whose r² is the first measure here. A profile says little: a type's own control profile already predicts most of it. So
the change (stimulated minus control) is measured too, and for this the control cells are split into two halves. Half A
predicts, and its own profile is what the prediction changes; the real change is counted from half B:
    predicted change = mean prediction(A) - mean control(A),    real change = mean stimulated - mean control(B)
With one control profile in both changes, its noise would be in both, and they would agree even without any effect.

Source: thesis, eq:response-change.
"""

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import r2_score

from gmvae.pipeline.errors import Refused

N_HALVINGS = 100
N_DIFFERENTIAL = 100


def response_measures(predicted: np.ndarray, control: np.ndarray, stimulated: np.ndarray) -> dict[str, float]:
    """All measures of a prediction.

    r2 is the squared correlation over genes of the mean predicted and the mean real profile. r2_score is the share of
    the real profile's variance that the prediction explains; it is negative if the real profile's own mean would do
    better. Measures with the prefix `change_` are the same for the change, averaged over the halvings; those with the
    suffix `_de` are restricted to the genes that differ most between the real cells.

    Args:
        predicted: What each control cell is predicted to become, [n, D].
        control: The control cells, [n, D].
        stimulated: The real cells under the condition, [m, D].

    Returns:
        The measures by name.

    Raises:
        Refused: There are fewer than two control cells.

    Source: Lotfollahi et al. 2019 for r2; thesis, eq:response-change.
    """
    genes = differential_genes(stimulated, control)
    real = stimulated.mean(0)
    measures = profile_measures("", predicted.mean(0)[None], real[None], genes)
    halves = halvings(len(control))  # half A; the rest is half B
    n_a = halves.sum(1, keepdims=True)
    change = (halves @ (predicted - control)) / n_a
    real_change = real - (1 - halves) @ control / (len(control) - n_a)
    return measures | profile_measures("change_", change, real_change, genes)


def change_ceiling(control: np.ndarray, stimulated: np.ndarray) -> float:
    """What r² and R² of the change would be for the exact change: the share of the real change that is no noise.

    The real change is counted from a sample of cells and from half of the control cells, so its variance over genes
    has a part that no prediction can explain: over genes, the sum of the sampling variances of both means.

    Args:
        control: The control cells, [n, D].
        stimulated: The real cells under the condition, [m, D], two or more.

    Returns:
        The mean over the halvings; not below 0.

    Source: thesis, sec:responses.
    """
    halves = halvings(len(control))
    n_b = len(control) - halves.sum(1, keepdims=True)
    real_change = stimulated.mean(0) - (1 - halves) @ control / n_b
    noise = stimulated.var(0, ddof=1) / len(stimulated) + control.var(0, ddof=1) / n_b
    centred = real_change - real_change.mean(1, keepdims=True)
    shares = 1 - noise.sum(1) / np.maximum((centred**2).sum(1), np.finfo(float).tiny)
    return float(np.maximum(shares, 0).mean())


def profile_measures(prefix: str, predicted: np.ndarray, real: np.ndarray, genes: np.ndarray) -> dict[str, float]:
    """Both measures, on all genes and on some (positions), averaged over H profiles [H, D]."""
    measures = {}
    for suffix, columns in (("", slice(None)), ("_de", genes)):
        a, b = predicted[:, columns], real[:, columns]
        measures[f"{prefix}r2{suffix}"] = float(squared_correlation(a, b).mean())
        measures[f"{prefix}r2_score{suffix}"] = float(r2_score(b.T, a.T, multioutput="raw_values").mean())
    return measures


def squared_correlation(predicted: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each row, squared, [H, D] -> [H]; 0 if a row is constant, for example without change."""
    a = predicted - predicted.mean(1, keepdims=True)
    b = real - real.mean(1, keepdims=True)
    norms = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.divide((a * b).sum(1), norms, out=np.zeros_like(norms), where=norms > 0) ** 2


def halvings(n: int, times: int = N_HALVINGS) -> np.ndarray:
    """Random first halves of n rows, as 0 and 1, [times, n]; they depend on n only. Refused if n is below two."""
    if n < 2:
        raise Refused(f"response: found {n} control cells of the held-out type; allowed: two or more, for two halves")
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(n), (times, 1)), axis=1)
    return (orders < n // 2).astype(np.float64)


def differential_genes(stimulated: np.ndarray, control: np.ndarray, n: int = N_DIFFERENTIAL) -> np.ndarray:
    """The genes whose values differ most between two groups of cells, by the rank-sum statistic.

    Args:
        stimulated: The cells of one group, [m, D].
        control: The cells of the other, [n, D].
        n: How many genes.

    Returns:
        Positions of the genes, the most different first.
    """
    return np.argsort(-np.abs(rank_sum(stimulated, control)), kind="stable")[:n]


def rank_sum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Wilcoxon's rank-sum statistic of each column of x [n, D] against y [m, D], standardised with ties -> [D]."""
    n, m = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]), axis=0)  # ties have their mean rank
    variance = n * m / (n + m) * ranks.var(0, ddof=1)
    centred = ranks[:n].sum(0) - n * (n + m + 1) / 2
    return np.divide(centred, np.sqrt(variance), out=np.zeros(x.shape[1]), where=variance > 0)


def example_change(predicted: np.ndarray, control: np.ndarray, stimulated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The predicted and the real change of the first halving, for a figure.

    Args:
        predicted: What each control cell is predicted to become, [n, D].
        control: The control cells, [n, D].
        stimulated: The real cells under the condition, [m, D].

    Returns:
        The predicted change and the real change, [D] each.
    """
    first = halvings(len(control))[0]
    half, rest = first > 0, first == 0
    return (predicted[half] - control[half]).mean(0), stimulated.mean(0) - control[rest].mean(0)
