"""Which columns of a large CSC matrix are read: a row of it is in every column, and all columns take minutes.

The columns with the most entries are read, since they have most of the counts, and of the others every n-th run. An
entry of the others then stands for several, so that measures of a cell are estimates without bias.
"""

from typing import NamedTuple

import numpy as np

from gmvae.cells.survey.matrices import PIECE, StoredMatrix

MOST_ENTRIES = 200_000_000  # that are read: 5 seconds of work; a smaller matrix is read as a whole
RUN = 1 << 18  # entries of a run of columns: as many as one packed part of a file has, which is unpacked as a whole


class ColumnSample(NamedTuple):
    """Columns of a matrix that are read."""

    runs: list[slice]  # of columns, in their order; none has more than PIECE entries but of a single column
    weights: np.ndarray  # [D] how many entries one of the column stands for; 0 for a column that is not read

    @property
    def n_columns(self) -> int:
        """How many columns are read."""
        return int((self.weights > 0).sum())


def sample_columns(matrix: StoredMatrix, certain: np.ndarray, most: int = MOST_ENTRIES) -> ColumnSample:
    """Choose the columns that are read; the same for the same numbers of entries.

    Args:
        matrix: A matrix that is stored by columns [N, D].
        certain: Which columns are read in any case, a mask [D].
        most: About how many entries are read; of a matrix with no more, all.

    Returns:
        The columns.

    Source: Cochran, Sampling techniques (1977), systematic sampling and the ratio estimate.
    """
    sizes = np.diff(matrix.parts[2].astype(np.int64))
    if sizes.sum() <= most:
        return ColumnSample(split_columns(np.ones(len(sizes), dtype=bool), sizes, PIECE), np.ones(len(sizes)))
    order = np.argsort(-sizes, kind="stable")
    is_certain = certain.copy()
    is_certain[order[np.cumsum(sizes[order]) <= most // 2]] = True
    runs = split_columns(~is_certain, sizes, max(RUN, chunk_length(matrix)))
    rest = int(sizes[~is_certain].sum())
    step = max(1, round(rest / max(1, most - sizes[is_certain].sum())))
    read = runs[step // 2 :: step] or runs[:1]
    n_read = sum(int(sizes[run].sum()) for run in read)
    weights = is_certain.astype(np.float64)
    for run in read:
        weights[run] = rest / max(1, n_read)
    return ColumnSample(split_columns(weights > 0, sizes, PIECE), weights)


def split_columns(mask: np.ndarray, sizes: np.ndarray, most: int) -> list[slice]:
    """Runs of neighbouring columns of a mask [D] with about this many entries in each, or one column with more."""
    runs: list[slice] = []
    n_entries = 0
    for column in np.flatnonzero(mask).tolist():
        if runs and runs[-1].stop == column and n_entries + sizes[column] <= most:
            runs[-1] = slice(runs[-1].start, column + 1)
        else:
            runs.append(slice(column, column + 1))
            n_entries = 0
        n_entries += int(sizes[column])
    return runs


def chunk_length(matrix: StoredMatrix) -> int:
    """How many entries are unpacked at once; 0 where they are not packed."""
    return max((array.chunks[0] for array in matrix.parts[:2] if array.chunks), default=0)
