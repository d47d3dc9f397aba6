"""Calibration: whether a cell that is given a type with probability 0.8 is of it in 8 cases of 10."""

import numpy as np
import pandas as pd

BINS = 10


def class_probabilities(q_y: np.ndarray, names: np.ndarray, n_classes: int) -> np.ndarray:
    """The probabilities of classes: those of all components that stand for a class, added.

    Args:
        q_y: Probabilities of the components [N, K].
        names: Class of each component [K]; -1 for none, whose probability no class gets.
        n_classes: C.

    Returns:
        Probabilities [N, C].
    """
    belongs = names[:, None] == np.arange(n_classes)  # K, C
    return q_y.astype(np.float64) @ belongs


def reliability(confidence: np.ndarray, correct: np.ndarray, n_bins: int = BINS) -> pd.DataFrame:
    """The reliability curve: how often cells are right, by how sure the model is.

    Args:
        confidence: Largest class probability of each cell [n].
        correct: Whether that class is the label [n].
        n_bins: Number of bins of equal width from 0 to 1; each has its upper end.

    Returns:
        One row a bin: low, high, cells, and the means confidence and accuracy, NaN where there are no cells.

    Source: Guo et al. 2017.
    """
    place = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    cells = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, weights=values.astype(np.float64), minlength=n_bins) for values in (confidence, correct)]
    with np.errstate(invalid="ignore"):
        means = [total / cells for total in sums]
    ends = np.arange(n_bins + 1) / n_bins
    columns = {"low": ends[:-1], "high": ends[1:], "cells": cells, "confidence": means[0], "accuracy": means[1]}
    return pd.DataFrame(columns)


def calibration_error(table: pd.DataFrame) -> float:
    """The expected calibration error: the mean difference of accuracy and confidence over the cells.

    Args:
        table: What `reliability` returns.

    Returns:
        A number between 0 and 1; NaN without cells.

    Source: Guo et al. 2017, equation 3.
    """
    with_cells = table[table["cells"] > 0]
    gaps = (with_cells["accuracy"] - with_cells["confidence"]).abs()
    return float((gaps * with_cells["cells"]).sum() / with_cells["cells"].sum()) if len(with_cells) else float("nan")
