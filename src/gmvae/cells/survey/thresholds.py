"""How many cells thresholds of quality would remove, of all cells or estimated from blocks of them."""

import ast
import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd

from gmvae.cells.survey.column_sample import sample_columns
from gmvae.cells.survey.matrices import Entries, StoredMatrix, column_entries, iterate_entries, sample_blocks
from gmvae.data.quality_control import removal_reasons
from gmvae.formats.count_checks import check_values
from gmvae.formats.quality import cells_outside
from gmvae.pipeline.sources import function_signature

DEVIATIONS = 5  # median absolute deviations from the median
# Cells of a group in which doublets are looked for, as in gmvae.data.doublets, which takes seconds to import.
SMALLEST_GROUP, LARGEST_GROUP = 100, 20_000
MANY = 0.2  # share of the cells that the defaults may remove
MEASURES = {"min_genes": "min_n_genes", "max_genes": "max_n_genes"}  # thresholds that the measures name otherwise


class Sample(NamedTuple):
    """Measures of cells: of those of some blocks of rows, or of all by some of their genes."""

    measures: pd.DataFrame  # [n]: n_genes, total and mito, as in gmvae.data.quality_control
    sizes: list[int]  # of the blocks
    n_cells: int  # in the file
    n_read: int | None = None  # genes by which the cells are measured, where these are not all


def measure_sample(matrix: StoredMatrix, mitochondrial: np.ndarray, is_gene: np.ndarray | None) -> Sample:
    """Measure the quality of the cells of some blocks, and check that their values are counts.

    Args:
        matrix: The matrix of counts [N, D].
        mitochondrial: Which genes are mitochondrial, a mask [D].
        is_gene: Which features are genes, a mask [D]; None where all are.

    Returns:
        The measures; estimates by some of the genes, where the matrix is stored by columns and large.

    Raises:
        Refused: Some values are no counts.
    """
    weights = np.ones(matrix.shape[1]) if is_gene is None else is_gene.astype(np.float64)
    n_read, blocks = None, sample_blocks(matrix)
    sizes = [block.stop - block.start for block in blocks]
    entries = iterate_entries(matrix, blocks)
    if matrix.form == "CSC":
        columns = sample_columns(matrix, mitochondrial)
        n_read = columns.n_columns if columns.n_columns < matrix.shape[1] else None
        weights *= columns.weights
        entries = itertools.chain.from_iterable(column_entries(matrix, run) for run in columns.runs)
    n_genes, total, mito = sum_entries(entries, sum(sizes), weights, mitochondrial, matrix.where)
    measures = pd.DataFrame({"n_genes": n_genes, "total": total, "mito": mito / np.maximum(total, 1)})
    return Sample(measures, sizes, matrix.shape[0], n_read)


def sum_entries(entries: Entries, n: int, weights: np.ndarray, mitochondrial: np.ndarray, where: str) -> np.ndarray:
    """Sum over the entries of cells.

    Args:
        entries: The cell, the gene and the value of each.
        n: Number of cells.
        weights: How many entries one of a gene stands for [D].
        mitochondrial: Which genes are mitochondrial, a mask [D].
        where: File and part, for messages.

    Returns:
        For each cell the number of its genes with a count, its total and its mitochondrial counts, [3, n].

    Raises:
        Refused: Some values are no counts.
    """
    sums = np.zeros((3, n))
    for cells, genes, values in entries:
        check_values([values], where)
        if not len(cells):
            continue
        first, last = int(cells.min()), int(cells.max()) + 1  # few cells, where entries come by rows
        cells, shares = cells.astype(np.intp) - first, weights[genes]
        counts = values * shares
        sums[0, first:last] += np.bincount(cells, shares if values.all() else shares * (values > 0))
        sums[1, first:last] += np.bincount(cells, counts)
        is_mitochondrial = mitochondrial[genes]
        if is_mitochondrial.any():
            sums[2, first:last] += np.bincount(cells, counts * is_mitochondrial)
    return sums


def estimate_number(mask: np.ndarray, sizes: list[int], n_cells: int) -> tuple[int, float]:
    """Estimate how many cells of a file have a property from blocks of its rows.

    Cells of a block are alike (files are often sorted), so the blocks, not the cells, are the draws.

    Args:
        mask: Which cells of the blocks have it [n].
        sizes: Sizes of the blocks.
        n_cells: Number of cells in the file.

    Returns:
        The number and its standard error, which is 0 where the blocks are all cells.

    Source: Cochran, Sampling techniques (1977), ratio estimate of clusters.
    """
    n = len(mask)
    if n == n_cells or not n:
        return int(mask.sum()), 0.0
    share = mask.mean()
    hits = np.add.reduceat(mask.astype(float), np.cumsum([0, *sizes[:-1]]))
    deviations = hits - share * np.array(sizes)
    variance = len(sizes) / (len(sizes) - 1) * (deviations**2).sum() / n**2
    return round(share * n_cells), float(n_cells * np.sqrt(variance * (1 - n / n_cells)))


def default_thresholds() -> dict[str, float]:
    """The thresholds of an empty entry `cells`, by their names in the config."""
    arguments = function_signature("gmvae.data.preprocessing", "preprocess_cells")
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    values = {argument.arg: ast.literal_eval(default) for argument, default in pairs}
    return {key: values[key] for key in ("min_genes", "min_total")}


def deviation_thresholds(sample: Sample, has_mito: bool) -> dict[str, float]:
    """Thresholds at 5 median absolute deviations from the median: of log(1 + x) for genes and totals, of the share.

    Args:
        sample: Measures of cells.
        has_mito: Whether there are mitochondrial genes.

    Returns:
        Thresholds by their names in the config; none for a measure that does not vary.

    Source: Heumos et al. 2023, who take 5 deviations for genes and totals, not scaled to a normal distribution.
    """
    thresholds = {"min_genes": 1}
    for measure, key in (("n_genes", "genes"), ("total", "total")):
        low, high = (np.expm1(bound) for bound in bounds(np.log1p(sample.measures[measure].to_numpy())))
        if high > low:
            thresholds |= {f"min_{key}": max(1, int(np.ceil(low - 1e-9))), f"max_{key}": int(np.ceil(high))}
    low, high = bounds(sample.measures["mito"].to_numpy())
    if has_mito and high > low:
        thresholds["max_mito"] = float(min(1, np.ceil(high * 1000) / 1000))
    return thresholds


def bounds(values: np.ndarray) -> tuple[float, float]:
    """The median less and plus 5 median absolute deviations."""
    median = np.median(values)
    deviation = np.median(np.abs(values - median))
    return median - DEVIATIONS * deviation, median + DEVIATIONS * deviation


def count_removed(sample: Sample, thresholds: dict[str, float]) -> dict[str, tuple[int, float]]:
    """How many cells fail each threshold, and any of them.

    Args:
        sample: Measures of cells.
        thresholds: Thresholds by their names in the config.

    Returns:
        Numbers with their standard errors by threshold; "" for all together. An error that is not known is NaN.
    """
    keys = {key: MEASURES.get(key, key) for key in thresholds}
    masks = {
        key: cells_outside(sample.measures[name.split("_", maxsplit=1)[1]].to_numpy(), name, thresholds[key])
        for key, name in keys.items()
    }
    reasons = removal_reasons(sample.measures, {keys[key]: value for key, value in thresholds.items()})
    masks[""] = reasons != ""
    if sample.n_read is not None:
        return {key: (int(mask.sum()), np.nan) for key, mask in masks.items()}
    return {key: estimate_number(mask, sample.sizes, sample.n_cells) for key, mask in masks.items()}


def drops_many(removed: dict[str, tuple[int, float]], n_cells: int) -> bool:
    """Whether thresholds remove more than a fifth of the cells; `removed` is that of `count_removed`."""
    return removed[""][0] > MANY * n_cells


def describe_doublets(sizes: dict[str, int], kept: float, test_share: float) -> tuple[bool, str]:
    """Whether doublets can be looked for, within each batch and split.

    Args:
        sizes: Numbers of cells by batch; one entry of any name without batches.
        kept: Share of the cells that pass the other thresholds.
        test_share: Share of the test cells.

    Returns:
        Whether all groups have a size that Scrublet takes, and words for it.
    """
    few = [name for name, n in sizes.items() if n * kept * test_share < SMALLEST_GROUP]
    many = [name for name, n in sizes.items() if n * kept * (1 - test_share) > LARGEST_GROUP]
    allowed = (
        f"a batch may have about {SMALLEST_GROUP / test_share:,.0f} to {LARGEST_GROUP / (1 - test_share):,.0f} cells"
    )
    if not few and not many:
        return True, "possible"
    sides = [f"too few cells in {len(few)}"] * bool(few) + [f"too many cells in {len(many)}"] * bool(many)
    extent = "partly possible" if len({*few, *many}) < len(sizes) else "not possible"
    return False, f"{extent}: {' and '.join(sides)} of {len(sizes)} batch{'es' * (len(sizes) != 1)}; {allowed}"
