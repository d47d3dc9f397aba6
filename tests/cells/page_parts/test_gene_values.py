"""Values of marker genes: read block by block, they are those of the whole matrix."""

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem
from scipy import sparse

from gmvae.cells.page_parts import gene_values
from gmvae.cells.page_parts.gene_values import choose_marker_genes, read_gene_values


@pytest.fixture
def dense():
    generator = np.random.default_rng(0)
    return np.where(generator.random((70, 12)) < 0.3, generator.random((70, 12)) + 0.1, 0).astype(np.float32)


@pytest.mark.parametrize("form", [sparse.csr_matrix, np.asarray])
@pytest.mark.parametrize("block", [1, 17, 10_000])
def test_blocks_of_any_size_give_what_the_whole_matrix_gives(tmp_path, monkeypatch, dense, form, block):
    monkeypatch.setattr(gene_values, "BLOCK", block)
    clusters = np.random.default_rng(1).integers(-1, 3, 70)
    columns, rows = np.array([7, 2, 11]), np.array([60, 3, 3 + 1])
    with h5py.File(tmp_path / "matrix.h5", "w") as file:
        write_elem(file, "X", form(dense))
        values = read_gene_values(file["X"], columns, clusters, 4, rows)
    chosen = dense[:, columns]
    for k in range(3):
        inside, others = clusters == k, (clusters >= 0) & (clusters != k)
        np.testing.assert_allclose(values.means[k], chosen[inside].mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(values.shares[k], (chosen[inside] > 0).mean(axis=0))
        np.testing.assert_allclose(values.shares_outside[k], (chosen[others] > 0).mean(axis=0))
    assert (values.means[3] == 0).all()
    np.testing.assert_array_equal(values.on_map, chosen[rows].T)


def test_an_empty_matrix_and_no_gene_at_all_are_read_as_well(tmp_path):
    with h5py.File(tmp_path / "matrix.h5", "w") as file:
        write_elem(file, "X", sparse.csr_matrix((5, 4), dtype=np.float32))
        values = read_gene_values(file["X"], np.array([1]), np.zeros(5, int), 1, np.arange(5))
        none = read_gene_values(file["X"], np.array([], int), np.zeros(5, int), 1, np.arange(5))
    assert values.means.tolist() == [[0]] and values.on_map.shape == (1, 5)
    assert none.means.shape == (1, 0) and none.on_map.shape == (0, 5)


def test_every_cluster_has_its_first_gene_before_one_has_its_second():
    markers = pd.DataFrame(
        {"cluster": list("aaabbb"), "rank": [1, 2, 3] * 2, "gene": ["g1", "g2", "g3", "g2", "g1", "g4"]}
    )
    assert choose_marker_genes(markers, 2) == ["g1", "g2"]
    assert choose_marker_genes(markers, 3) == ["g1", "g3", "g2"]
    assert choose_marker_genes(markers, 9) == ["g1", "g3", "g2", "g4"]
