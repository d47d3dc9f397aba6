"""The quality control in `uns` of a dataset of cells: how it is stored, and how many cells each threshold removed.

- `uns["quality"]`: the measures of each raw cell, arrays [n]; `removed` [n], the number of a cell's reason in `reasons`
  ("": the cell was kept).
- `uns["thresholds"]`: numbers by `min_<measure>` and `max_<measure>`.
- `uns["mito_genes"]`: the names of the mitochondrial genes; left out where there are none.
"""

import numpy as np
import pandas as pd

CONFIG_KEYS = {"min_n_genes": "min_genes", "max_n_genes": "max_genes"}  # thresholds that the config names otherwise


def quality_arrays(quality: pd.DataFrame) -> dict[str, np.ndarray]:
    """Turn the measures of cells into plain arrays: small ones, and without an index of a million names.

    Args:
        quality: Measures of each raw cell [n], and `removed`: the reason for its removal, "" if it is kept.

    Returns:
        `uns["quality"]`.
    """
    measures = {key: quality[key].to_numpy(dtype=np.float32) for key in quality if key != "removed"}
    removed = pd.Categorical(quality["removed"])
    return measures | {"removed": removed.codes, "reasons": np.array(removed.categories, dtype=object)}


def removal_by_cell(quality: dict) -> np.ndarray:
    """For each raw cell [n] the reason for its removal, "" if it was kept; `quality` is `uns["quality"]`."""
    return np.asarray(quality["reasons"], dtype=object)[np.asarray(quality["removed"])]


def cells_outside(values: np.ndarray, key: str, threshold: float) -> np.ndarray:
    """A mask of the cells [n] whose values lie outside a threshold `min_<measure>` or `max_<measure>`; NaN does not."""
    return values < threshold if key.startswith("min_") else values > threshold


def count_failures(quality: dict, thresholds: dict[str, float]) -> dict[str, int]:
    """Count the cells that fail each threshold, whether or not they fail another one too.

    Args:
        quality: `uns["quality"]`.
        thresholds: `uns["thresholds"]`.

    Returns:
        Numbers of cells by threshold. Cells that were removed before doublets were looked for cannot fail max_doublet.
    """
    reasons = removal_by_cell(quality)
    counts = {}
    for key, threshold in thresholds.items():
        values = np.asarray(quality[key.split("_", maxsplit=1)[1]])
        # The stored values are rounded to float32, and so is the threshold: a value that is equal to it passes.
        outside = cells_outside(values, key, np.float32(threshold)) | (reasons == key)
        counts[key] = int(outside.sum())
    return counts


def count_removals(quality: dict) -> dict[str, int]:
    """Count the removed cells by reason: the first threshold that a cell fails, or "unlabelled".

    Args:
        quality: `uns["quality"]`.

    Returns:
        Numbers of cells by reason, as the config names it, for each reason that removed a cell.
    """
    reasons, counts = np.unique(removal_by_cell(quality).astype(str), return_counts=True)
    return {config_name(reason): int(count) for reason, count in zip(reasons, counts, strict=True) if reason}


def config_name(threshold: str) -> str:
    """The name that the config gives a threshold: min_genes for min_n_genes."""
    return CONFIG_KEYS.get(threshold, threshold)


def drops_most(quality: dict) -> bool:
    """Whether more than half of the raw cells were removed; `quality` is `uns["quality"]`."""
    return sum(count_removals(quality).values()) > len(quality["removed"]) / 2
