"""The dot plot's numbers against the matrix, and shared marker genes by hand."""

import numpy as np
import pandas as pd
import pytest
from support.exported import clustered_cells

from gmvae.cells.biology.marker_tables import SHOWN, dot_values, shared_markers
from gmvae.cells.markers import rank_markers


def test_shares_and_means_are_those_of_the_cells_of_each_cluster():
    adata = clustered_cells(300)
    adata.obs["cluster"] = adata.obs["cluster"].cat.remove_unused_categories()
    markers = rank_markers(adata)
    table = dot_values(adata, adata.obs["cluster"], markers)
    assert len(table) == 3 * 3 * SHOWN and table.groupby("marker_of")["gene"].nunique().tolist() == [SHOWN] * 3
    for row in table.itertuples():
        values = adata[adata.obs["cluster"] == row.cluster, row.gene].X.toarray()
        assert row.share == pytest.approx(np.mean(values > 0)) and row.mean == pytest.approx(values.mean(), rel=1e-5)
        assert int(row.gene[4:]) // 10 == int(row.marker_of)  # each cluster has ten genes of its own


def test_clusters_share_the_genes_that_are_in_both_lists():
    lists = {"0": "abcd", "1": "cdef", "2": "xy"}
    rows = [(name, i + 1, gene, 5.0, 0.001) for name, genes in lists.items() for i, gene in enumerate(genes)]
    markers = pd.DataFrame(rows, columns=["cluster", "rank", "gene", "score", "p_adjusted"])
    table = shared_markers(markers, ["0", "1", "2", "3"])
    assert table.iloc[0].tolist() == ["0", "1", 2, 4, 0.5]
    assert len(table) == 3 and table["shared"].tolist() == [2, 0, 0]  # cluster 3 has no markers
