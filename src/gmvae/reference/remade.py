"""How a run that was made again differs from the one that is kept: not at all, within a tolerance, or beyond it."""

import filecmp
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmvae.formats.metrics_table import read_metrics

FILES = ("weights.safetensors", "history.csv", "latent.h5ad", "metrics.csv", "response.csv", "profiles.csv")
MEASURES = ("metrics.csv", "response.csv")
KEY = ["task", "model", "seed", "split", "metric"]


class RunState(NamedTuple):
    """Whether a run is the same, and how, in words."""

    is_same: bool
    text: str


def compare_run(kept: Path, made: Path, tolerance: float) -> RunState:
    """Compare the folders of a run byte by byte, and where they differ its measures.

    Args:
        kept: The folder in the results.
        made: The folder of the same run, made again.
        tolerance: How far a measure may be from the kept one, as a part of it or, below 1, absolutely.

    Returns:
        The same where all files are equal, or where all measures are within the tolerance. A file that a finished study
        need not have (archives leave the latents out) is compared where both have it.
    """
    files = [name for name in FILES if (kept / name).is_file() and (made / name).is_file()]
    differing = [name for name in files if not filecmp.cmp(kept / name, made / name, shallow=False)]
    if not differing:
        return RunState(True, f"equal to the byte ({', '.join(files)})")
    largest, where = 0.0, ""
    for name in sorted(set(MEASURES) & set(differing)):
        difference, place = largest_difference(kept / name, made / name)
        if difference > largest or np.isinf(difference):
            largest, where = difference, place
    if largest <= tolerance:
        words = f"largest difference {largest:.2g}; other bytes in {', '.join(differing)}"
        return RunState(True, f"within the tolerance of {tolerance:g} ({words})")
    return RunState(False, f"NOT EQUAL, beyond the tolerance of {tolerance:g}: {where}")


def largest_difference(kept: Path, made: Path) -> tuple[float, str]:
    """The largest difference of two tables of measures, in units of max(1, |kept|), and where it is.

    It is infinite where the tables have other rows, or one has a number where the other has none.
    """
    one, other = (read_metrics(path).set_index(KEY).value.sort_index() for path in (kept, made))
    if not one.index.equals(other.index):
        return np.inf, f"{kept.name} has other rows ({len(one)} are kept, {len(other)} were made)"
    before, after = one.to_numpy(), other.to_numpy()
    unlike = np.abs(after - before) / np.maximum(1, np.abs(before))
    unlike[np.isnan(before) & np.isnan(after) | (before == after)] = 0
    unlike = np.where(np.isnan(unlike), np.inf, unlike)
    worst = int(unlike.argmax())
    _, _, seed, split, metric = one.index[worst]
    place = f"{metric} of seed {seed} on {split} is {before[worst]:.9g}, made again {after[worst]:.9g}"
    return float(unlike[worst]), place
