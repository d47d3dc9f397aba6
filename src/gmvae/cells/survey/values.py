"""Which matrix of a file holds the raw counts, judged by the values of some rows, and what the others hold."""

from typing import NamedTuple

import numpy as np

from gmvae.cells.survey.files import nearest
from gmvae.cells.survey.matrices import StoredMatrix, iterate_entries, row_entries
from gmvae.pipeline.errors import Refused

N_ROWS = 50  # of a block that is looked at
N_BLOCKS = 8
N_VALUES = 1 << 18  # of a matrix that is not stored by rows
CLOSE = 1e-3  # relative distance of a ratio to a whole number
SHARE = 0.9  # of the ratios of a transformation that must be whole numbers
TRANSFORMATIONS = {
    "counts scaled by cell": lambda values: values,
    "log1p of counts scaled by cell": np.expm1,
    "log2(1 + x) of counts scaled by cell": lambda values: np.exp2(values) - 1,
}
# How likely the layers of a name hold the raw counts, the likeliest first; other names stand between the two.
FIRST, LAST = ("counts", "raw_counts", "raw", "umi", "umis", "X"), ("spliced", "unspliced", "ambiguous")


class Content(NamedTuple):
    """What a matrix holds."""

    is_count: bool
    words: str
    largest: float


def describe_kind_of_values(matrix: StoredMatrix) -> Content:
    """Find out from some rows what a matrix holds.

    Args:
        matrix: The matrix.

    Returns:
        Whether the values are counts, and words for them.
    """
    if matrix.dtype.kind not in "uifb":
        return Content(False, f"{matrix.dtype} is no number", 0)
    rows = sample_rows(matrix)
    values = np.concatenate([row.ravel() for row in rows]) if rows else np.zeros(0)
    values = values[values != 0].astype(np.float64)
    if not values.size:
        return Content(False, "no value but 0 in the rows that were looked at", 0)
    if not np.isfinite(values).all():
        return Content(False, "NaN or infinite values", 0)
    largest = float(values.max())
    if values.min() < 0:
        return Content(
            False, f"negative values, from {values.min():.3g} to {largest:.3g}: scaled or residuals", largest
        )
    if matrix.dtype == np.float16:
        return Content(False, "float16, in which counts above 2048 are rounded", largest)
    if (values == np.rint(values)).all():
        return Content(True, f"whole numbers up to {largest:g}", largest)
    return Content(False, f"fractional values up to {largest:.3g}: {guess_origin(rows, largest)}", largest)


def sample_rows(matrix: StoredMatrix) -> list[np.ndarray]:
    """The stored values of some rows, row by row; of a matrix that is not stored by rows some values, as one."""
    if matrix.form == "text":
        return [next(iterate_entries(matrix, []), (None, None, np.zeros(0)))[2]]
    if matrix.form == "CSC":
        data, n = matrix.parts[0], N_VALUES // N_BLOCKS
        starts = np.unique(np.linspace(0, max(0, matrix.n_stored - n), N_BLOCKS).astype(int)).tolist()
        return [np.concatenate([data[start : start + n] for start in starts])]
    rows = []
    for start in np.unique(np.linspace(0, max(0, matrix.shape[0] - N_ROWS), N_BLOCKS).astype(int)).tolist():
        block = slice(start, min(start + N_ROWS, matrix.shape[0]))
        cells, _, values = row_entries(matrix, block)
        rows += [values[cells == cell] for cell in range(block.stop - block.start)]
    return rows


def guess_origin(rows: list[np.ndarray], largest: float) -> str:
    """What fractional values were made from: in a cell, scaled counts are whole multiples of the smallest one.

    Args:
        rows: The values of each cell.
        largest: The largest of all.

    Returns:
        Words for it.
    """
    if len(rows) > 1:
        for words, invert in TRANSFORMATIONS.items():
            if "log" in words and largest > 60:
                continue  # no logarithm is so large, and its inverse is not finite
            inverted = [invert(row[row > 0].astype(np.float64)) for row in rows if (row > 0).sum() > 1]
            ratios = np.concatenate([row / row.min() for row in inverted]) if inverted else np.zeros(0)
            ratios = ratios[ratios < 0.1 / CLOSE]  # of larger ones the rounding hides the distance
            if (
                ratios.size
                and (ratios > 1.5).any()
                and (np.abs(ratios - np.rint(ratios)) < CLOSE * ratios).mean() > SHARE
            ):
                return words
    if largest < 20:
        return "they look like logarithms"
    return "estimated, corrected or normalised counts; round them if they are estimates of counts"


def choose_counts(
    matrices: list[StoredMatrix], name: str | None, where: str
) -> tuple[StoredMatrix, dict[str, Content]]:
    """Choose the matrix of raw counts: of those that hold counts, one with the most genes, the likeliest name first.

    Args:
        matrices: The matrices of the file.
        name: The one that the user names; None for none.
        where: The file, for messages.

    Returns:
        The matrix, and what each matrix of the file holds, by its name.

    Raises:
        Refused: There is no such matrix, or none holds counts.
    """
    contents = {matrix.name: describe_kind_of_values(matrix) for matrix in matrices}
    if name is not None and name not in contents:
        allowed = ", ".join(contents)
        raise Refused(f"{where}: counts is '{name}', which the file lacks; allowed: {allowed}{nearest(name, contents)}")
    wanted = [matrix for matrix in matrices if name in (None, matrix.name)]
    usable = [matrix for matrix in wanted if contents[matrix.name].is_count]
    if not usable:
        listed = "; ".join(f"{title(matrix.name)} holds {contents[matrix.name].words}" for matrix in wanted)
        raise Refused(
            f"{where}: no raw counts: {listed or 'it has no matrix'}; give the file from before the normalisation, or "
            "keep the counts there: adata.layers['counts'] = adata.X.copy()"
        )
    return min(usable, key=lambda matrix: (-matrix.shape[1], name_rank(matrix.name))), contents


def name_rank(name: str) -> int:
    """The place of a matrix among others with as many genes, by its name."""
    name = name if name == "X" else name.lower()
    if name in LAST:
        return len(FIRST) + 2 + LAST.index(name)
    return FIRST.index(name) if name in FIRST else len(FIRST) + ("count" not in name)


def title(name: str) -> str:
    """How messages name a matrix."""
    return {"X": "X", "raw": "raw/X", "": "the matrix"}.get(name, f"layers/{name}")
