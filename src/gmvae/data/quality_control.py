"""Quality of cells: what is measured on each cell, and which cells the thresholds of the config remove.

A cell is judged by itself and by fixed thresholds: nothing is fitted here, and no cell affects another.
"""

import re

import numpy as np
import pandas as pd

from gmvae.data.row_blocks import Counts, iterate_blocks
from gmvae.formats.quality import cells_outside
from gmvae.pipeline.errors import Refused

Share = float  # from 0 to 1; pipeline.config_checks knows a share by this name of its type
# How the names of mitochondrial genes begin: MT- (human), mt- (mouse, zebrafish), Mt- (rat), mt: (fly); MT. is what R's
# make.names turns MT- into. The name of a genome may come first: GRCh38_MT-ND1, mm10___mt-Nd1, and GRCh38-MT-ND1, as
# Seurat turns _ into -. A number after the separator is no gene but the mark of a repeated name (MT.1) or a
# metallothionein (MT-2A); names without a separator (MTOR, MT1X) are not mitochondrial.
MITOCHONDRIAL = re.compile(r"(?:[\w.-]+_|[A-Za-z]+\d[\w.]*-+)?(?:(?:MT|mt|Mt)[-.](?!\d*$|[1-4][A-Za-z]?$)|mt:(?!\d*$))")
TRUTHS = {"true": True, "false": False, "1": True, "0": False}  # how files without booleans write them
SHOWN = 5  # names in a message


def check_shares(shares: dict[str, Share | None], entry: str) -> None:
    """Check the thresholds on measures from 0 to 1.

    Args:
        shares: Numbers by name; None for no threshold.
        entry: The entry of the config that holds them, for messages.

    Raises:
        Refused: One of them is not from 0 to 1.
    """
    for key, value in shares.items():
        if value is not None and not 0 <= value <= 1:
            raise Refused(f"{entry}.{key}: found {value:g}; allowed: a share from 0 to 1 (5 % is 0.05)")


def mitochondrial_genes(var: pd.DataFrame, column: str | None, entry: str) -> np.ndarray:
    """Find the mitochondrial genes, by their names or by a column.

    Args:
        var: Annotations of the genes [D], their names as index.
        column: The column of var that is true for mitochondrial genes; None: names that match MITOCHONDRIAL.
        entry: The entry of the config that names the column, for messages.

    Returns:
        A mask [D].

    Raises:
        Refused: There is no such column, it does not hold true and false, or it is false for every gene.
    """
    if column is None:
        return np.array([MITOCHONDRIAL.match(str(name)) is not None for name in var.index], dtype=bool)
    place = f"{entry}.mito_genes: column '{column}' of var"
    if column not in var:
        raise Refused(f"{place} does not exist; allowed: {', '.join(map(str, var.columns)) or 'none is read'}")
    mask = [TRUTHS.get(str(value).lower()) for value in var[column]]
    if None in mask:
        raise Refused(f"{place} holds {var[column].iloc[mask.index(None)]!r}; allowed: true and false for every gene")
    if not any(mask):
        raise Refused(
            f"{place} is false for all {len(mask)} genes; name another column, or leave mito_genes and max_mito out"
        )
    return np.array(mask, dtype=bool)


def check_mito_measure(var_names: pd.Index, mitochondrial: np.ndarray, own: pd.Series | None, entry: str) -> None:
    """Check that the mitochondrial share, on which there is a threshold, is measured.

    Args:
        var_names: Names of the genes [D].
        mitochondrial: Which genes are mitochondrial, a mask [D].
        own: The source's own share of each cell [N], None where it has none.
        entry: The entry of the config that holds `max_mito`, for messages.

    Raises:
        Refused: There is neither a mitochondrial gene nor a share of the source, or that share is not from 0 to 1.
    """
    if own is not None:
        n_wrong = int((~own.between(0, 1)).sum())
        if n_wrong:
            raise Refused(
                f"{entry}.max_mito: the source's own share (obs['mito']) is missing or not from 0 to 1 in {n_wrong} of "
                f"{len(own)} cells; correct it in the reader, or leave max_mito out"
            )
    elif not mitochondrial.any():
        first = ", ".join(map(str, var_names[:SHOWN]))
        raise Refused(
            f"{entry}.max_mito: none of {len(var_names)} genes has a mitochondrial name (MT-, mt-, Mt-, mt: or MT.); "
            f"the first are {first}; name the column of var that marks these genes, mito_genes: <column>, or leave "
            "max_mito out"
        )


def measure_cells(counts: Counts, mitochondrial: np.ndarray) -> pd.DataFrame:
    """Measure the quality of each cell.

    Args:
        counts: Raw counts [N, D].
        mitochondrial: Which genes are mitochondrial, a mask [D].

    Returns:
        For each cell [N]: `n_genes` with a count, `total` of its counts, and `mito`, the share of mitochondrial genes
        in that total.
    """
    weights = mitochondrial.astype(np.float64)
    measures = pd.DataFrame({"n_genes": 0, "total": 0.0, "mito": 0.0}, index=range(counts.shape[0]))
    for rows, block in iterate_blocks(counts):
        total = np.asarray(block.sum(axis=1, dtype=np.float64)).ravel()
        measures.iloc[rows, 0] = np.diff(block.indptr)
        measures.iloc[rows, 1] = total
        measures.iloc[rows, 2] = (block @ weights) / np.maximum(total, 1)
    return measures


def removal_reasons(measures: pd.DataFrame, thresholds: dict[str, float | None]) -> np.ndarray:
    """Compare the measures of each cell with the thresholds.

    Args:
        measures: Measures of each cell [N].
        thresholds: `min_<measure>` and `max_<measure>`, both still allowed; None for no threshold.

    Returns:
        For each cell [N] the first threshold that it fails, '' if it fails none.
    """
    reasons = np.full(len(measures), "", dtype=object)
    for key, threshold in thresholds.items():
        if threshold is not None:
            outside = cells_outside(measures[key.split("_", maxsplit=1)[1]].to_numpy(), key, threshold)
            reasons[(reasons == "") & outside] = key
    return reasons
