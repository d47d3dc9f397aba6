"""The parts of the look at a file of cells: blocks of rows, estimates, thresholds, names of genes and of columns."""

import itertools

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from support.files_of_cells import write_many_cells

from gmvae.cells.survey import thresholds
from gmvae.cells.survey.column_sample import sample_columns
from gmvae.cells.survey.columns import Column, score_column
from gmvae.cells.survey.files import open_cells
from gmvae.cells.survey.genes import describe_genes
from gmvae.cells.survey.matrices import iterate_entries, sample_blocks
from gmvae.cells.survey.mine import choose_epochs
from gmvae.cells.survey.report import describe_names, number
from gmvae.cells.survey.thresholds import (
    LARGEST_GROUP,
    SMALLEST_GROUP,
    Sample,
    count_removed,
    describe_doublets,
    deviation_thresholds,
    estimate_number,
    measure_sample,
)
from gmvae.data import doublets
from gmvae.data.quality_control import measure_cells


def test_a_measure_that_does_not_vary_gets_no_threshold():
    measures = pd.DataFrame({"n_genes": [300.0] * 9 + [5], "total": [999.0] * 10, "mito": [0.0] * 10})
    assert deviation_thresholds(Sample(measures, [10], 10), has_mito=True) == {"min_genes": 1}


@pytest.mark.parametrize("sorted_cells", [False, True], ids=["mixed", "sorted by type"])
def test_the_error_of_an_estimate_is_its_spread_over_draws(sorted_cells):
    """Blocks drawn from a population of blocks: the estimates spread as much as the standard error says."""
    draws = np.random.default_rng(0)
    shares = draws.beta(0.5, 2, 120) if sorted_cells else np.full(120, 0.2)
    blocks = draws.random((120, 500)) < shares[:, None]
    estimates = [
        estimate_number(blocks[draws.choice(120, 40, replace=False)].ravel(), [500] * 40, 60_000) for _ in range(400)
    ]
    numbers, errors = np.array(estimates).T
    assert abs(numbers.mean() - blocks.sum()) < 3 * numbers.std() / np.sqrt(400)
    assert np.sqrt((errors**2).mean()) == pytest.approx(numbers.std(), rel=0.15)
    assert estimate_number(blocks.ravel(), [500] * 120, 60_000) == (blocks.sum(), 0)


def test_blocks_are_spread_over_a_large_file(tmp_path):
    write_many_cells(tmp_path / "many.h5ad", 60_000, 400, 20)
    (matrix,) = open_cells(tmp_path / "many.h5ad").matrices
    blocks = sample_blocks(matrix)
    assert (
        blocks[0].start == 0
        and blocks[-1].stop == 60_000
        and sum(block.stop - block.start for block in blocks) == 20_000
    )
    assert all(before.stop <= after.start for before, after in itertools.pairwise(blocks))
    cells, genes, values = map(np.concatenate, zip(*iterate_entries(matrix, blocks), strict=True))
    assert (np.bincount(cells) == 20).all() and set(genes) == set(range(0, 400, 20)) and values.sum() == 20_000 * 77


@pytest.fixture(scope="module")
def by_columns(tmp_path_factory):
    """The counts of 600 cells of a twofold range of sizes and 3,000 genes of very different means, and their CSC."""
    draws = np.random.default_rng(4)
    means = draws.lognormal(-2.5, 1.5, 3000) * np.linspace(0.7, 1.4, 600)[:, None]
    counts = sparse.csr_matrix(draws.poisson(means).astype(np.float32))
    path = tmp_path_factory.mktemp("columns") / "cells.h5ad"
    anndata.AnnData(sparse.csc_matrix(counts)).write_h5ad(path)
    return counts, open_cells(path).matrices[0]


def test_a_large_matrix_by_columns_is_measured_by_some_of_its_genes(by_columns, monkeypatch):
    counts, matrix = by_columns
    mitochondrial = np.arange(3000) < 8
    expected = measure_cells(counts, mitochondrial)
    pd.testing.assert_frame_equal(measure_sample(matrix, mitochondrial, None).measures, expected, check_dtype=False)
    most = counts.nnz // 5
    monkeypatch.setattr(thresholds, "sample_columns", lambda *given: sample_columns(*given, most))
    monkeypatch.setattr("gmvae.cells.survey.column_sample.RUN", 500)
    monkeypatch.setattr("gmvae.cells.survey.column_sample.chunk_length", lambda matrix: 0)
    sample = measure_sample(matrix, mitochondrial, None)
    columns = sample_columns(matrix, mitochondrial, most)
    sizes = np.diff(matrix.parts[2])
    assert (columns.weights[np.argsort(-sizes)[:50]] == 1).all() and (columns.weights[:8] > 0).all()
    assert sizes[columns.weights > 0].sum() < 1.3 * most and sample.n_read == columns.n_columns < 1500
    measures = sample.measures
    assert measures["n_genes"].sum() == pytest.approx(expected["n_genes"].sum(), rel=1e-9)  # a ratio estimate
    assert measures["total"].sum() == pytest.approx(expected["total"].sum(), rel=0.02)
    assert np.allclose(measures["mito"] * measures["total"], expected["mito"] * expected["total"])
    for measure in ("n_genes", "total"):
        error = measures[measure] / expected[measure] - 1
        assert abs(error.mean()) < 0.02 and error.std() < 0.15
    threshold = {"min_genes": float(expected["n_genes"].quantile(0.3))}
    removed = count_removed(sample, threshold)
    assert removed[""][0] == pytest.approx(180, abs=60) and number(removed[""]).startswith("about ")


@pytest.mark.parametrize(
    ("names", "columns", "expected"),
    [
        (["MT-ND1", "ACTB", "CD3E"], {}, ("symbols", "human", None, 1, None)),
        (["mt-Nd1", "Actb", "Cd3e"], {}, ("symbols", "mouse or zebrafish", None, 1, None)),
        (["a", "b", "c"], {"gene_ids": [f"ENSMUSG{j:011d}" for j in range(3)]}, ("symbols", "mouse", None, 0, None)),
        (
            [f"ENSMUSG{j:011d}.2" for j in range(3)],
            {"gene_symbols": ["mt-Nd1", "Actb", None]},
            ("Ensembl ids", "mouse", "gene_symbols", 1, None),
        ),
        (
            [f"ENSG{j:011d}" for j in range(3)],
            {"mt": [True, False, False]},
            ("Ensembl ids", "human", None, 1, "mt"),
        ),
        (["CD3E", "ACTB", "orf1"], {}, ("symbols", "human", None, 0, None)),
        (["Cd3e", "Actb", "Gm1992"], {}, ("symbols", "mouse or rat", None, 0, None)),
        (["0", "1", "2"], {}, ("numbers", "", None, 0, None)),
        (["p1", "p2", "p3"], {"mt": [1, 2, 3]}, ("symbols", "", None, 0, None)),
    ],
    ids=[
        "human",
        "mouse",
        "ids beside",
        "ids with symbols",
        "ids with marks",
        "capitals",
        "one capital",
        "none",
        "unknown",
    ],
)
def test_genes_are_described(names, columns, expected):
    genes = describe_genes(pd.DataFrame(columns, index=names))
    assert (genes.kind, genes.species, genes.column, int(genes.mitochondrial.sum()), genes.mito_column) == expected


def test_ids_alone_do_not_show_mitochondrial_genes():
    table = pd.DataFrame({"symbol": ["A", "B", "C"]}, index=[f"ENSG{j:011d}" for j in range(3)])
    assert "ids do not show which genes are mitochondrial" in describe_names(describe_genes(table[[]]))
    assert describe_names(describe_genes(table)).endswith("none mitochondrial")


@pytest.mark.parametrize(
    ("n_rows", "epochs", "word"), [(100, 300, "more"), (180, 170, "more"), (560, 60, ""), (60_000, 25, "fewer")]
)
def test_many_cells_have_fewer_epochs_and_few_cells_more(n_rows, epochs, word):
    (line,) = choose_epochs(n_rows)
    assert line.startswith(f"training: {{epochs: {epochs}, autoencode_epochs: {epochs // 5}")
    assert (f"# {word} than usual" in line) == bool(word)


@pytest.mark.parametrize(
    ("name", "role", "is_chosen"),
    [
        ("cell_type", "label", True),
        ("CellType", "label", True),
        ("cell_type_ontology_term_id", "label", False),
        ("leiden_res1", "label", False),
        ("orig.ident", "batch", True),
        ("donor_id", "batch", True),
        ("treatment", "condition", True),
        ("phase", "label", False),
        ("cell_type_score", "label", False),
    ],
)
def test_names_of_columns_show_their_role(name, role, is_chosen):
    column = Column(name, {"a": 300, "b": 400}, 0)
    assert (score_column(column, role, 700) > 0) == is_chosen
    assert score_column(column._replace(sizes={str(i): 1 for i in range(500)}), role, 700) == 0


@pytest.mark.parametrize(
    ("sizes", "is_possible", "words"),
    [
        ({"a": 600, "b": 20_000}, True, "possible"),
        ({"a": 600, "b": 400}, False, "partly possible: too few cells in 1 of 2 batches"),
        ({"": 30_000}, False, "not possible: too many cells in 1 of 1 batch"),
    ],
)
def test_the_search_for_doublets_needs_batches_of_a_size(sizes, is_possible, words):
    assert (SMALLEST_GROUP, LARGEST_GROUP) == (doublets.SMALLEST, doublets.LARGEST)
    assert describe_doublets(sizes, 1.0, 0.2)[0] == is_possible
    assert describe_doublets(sizes, 1.0, 0.2)[1].startswith(words)
