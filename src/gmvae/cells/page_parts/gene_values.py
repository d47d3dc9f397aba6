"""Marker genes: which of them a page shows, and their values, read from the stored matrix block by block."""

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
import pandas as pd

BLOCK = 4_000_000  # stored values that are in memory at once


@dataclass(frozen=True)
class GeneValues:
    """The values of G genes: sums over all cells of each of K clusters, and those of the n cells on the map."""

    means: np.ndarray  # [K, G]
    shares: np.ndarray  # cells with a count, in each cluster [K, G]
    shares_outside: np.ndarray  # ... in all other clusters together [K, G]
    on_map: np.ndarray  # [G, n], float32


def choose_marker_genes(markers: pd.DataFrame, most: int) -> list[str]:
    """The genes to show: the first of every cluster, then the second, until there are enough.

    Args:
        markers: Columns cluster, rank, gene.
        most: Largest number of genes.

    Returns:
        Their names, in the order of the clusters and of the ranks.
    """
    by_rank = markers.sort_values("rank", kind="stable").drop_duplicates("gene").head(most)
    return by_rank.sort_index()["gene"].tolist()


def read_gene_values(
    matrix: h5py.Group | h5py.Dataset, columns: np.ndarray, clusters: np.ndarray, n_clusters: int, rows: np.ndarray
) -> GeneValues:
    """Read some genes of all cells.

    Args:
        matrix: `X` of an open .h5ad, CSR or dense, N rows.
        columns: Positions of the G genes.
        clusters: The cluster of each cell, -1 for none, [N].
        n_clusters: The number of clusters K.
        rows: Positions of the n cells on the map.

    Returns:
        Means and shares by cluster, and the values of the cells on the map.
    """
    n_genes, place = len(columns), np.full(len(clusters), -1)
    place[rows] = np.arange(len(rows))
    sums, positive = np.zeros((2, n_clusters, n_genes))
    on_map = np.zeros((n_genes, len(rows)), np.float32)
    for row, gene, value in gene_entries(matrix, columns):
        row, gene, value = (part[value > 0] for part in (row, gene, value))
        clustered = clusters[row] >= 0
        cell = clusters[row[clustered]].astype(np.int64) * n_genes + gene[clustered]
        sums += np.bincount(cell, value[clustered], n_clusters * n_genes).reshape(sums.shape)
        positive += np.bincount(cell, minlength=n_clusters * n_genes).reshape(sums.shape)
        shown = place[row] >= 0
        on_map[gene[shown], place[row[shown]]] = value[shown]
    sizes = np.bincount(clusters[clusters >= 0], minlength=n_clusters)[:, None]
    outside = (positive.sum(axis=0) - positive) / np.maximum(sizes.sum() - sizes, 1)
    return GeneValues(sums / np.maximum(sizes, 1), positive / np.maximum(sizes, 1), outside, on_map)


def gene_entries(
    matrix: h5py.Group | h5py.Dataset, columns: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The stored values of some columns, block by block.

    Args:
        matrix: CSR or dense.
        columns: Positions of columns, each once.

    Yields:
        Rows, positions in `columns`, and values.
    """
    if isinstance(matrix, h5py.Dataset):
        step = max(1, BLOCK // matrix.shape[1])
        for start in range(0, matrix.shape[0], step):
            block = matrix[start : start + step][:, columns]
            row, gene = np.nonzero(block)
            yield row + start, gene, block[row, gene]
        return
    position = np.full(int(matrix.attrs["shape"][1]), -1, np.int32)
    position[columns] = np.arange(len(columns))
    ends = matrix["indptr"][()]
    for start in range(0, int(ends[-1]), BLOCK):
        gene = position[matrix["indices"][start : start + BLOCK]]
        chosen = np.flatnonzero(gene >= 0)
        value = matrix["data"][start : start + BLOCK][chosen]
        yield np.searchsorted(ends, chosen + start, side="right") - 1, gene[chosen], value
