"""The preprocessing of cells against scanpy's, and that nothing of test rows or labels enters a fitted step."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse
from support.cells import CHOICES, every_fifth, raw_cells

from gmvae.data import doublets, quality_control
from gmvae.data.preprocessing import batch_codes, preprocess_cells
from gmvae.data.row_blocks import iterate_blocks, select_counts
from gmvae.data.variable_genes import choose_genes, gene_sums
from gmvae.pipeline.errors import Refused


def test_measures_are_those_of_scanpy():
    adata = raw_cells()
    measures = quality_control.measure_cells(adata.layers["counts"], adata.var_names.str.startswith("MT-"))
    scanpy_cells = anndata.AnnData(
        adata.layers["counts"], var=adata.var.assign(mt=adata.var_names.str.startswith("MT-"))
    )
    scanpy.pp.calculate_qc_metrics(scanpy_cells, qc_vars=["mt"], percent_top=None, log1p=False, inplace=True)
    assert (measures["n_genes"].to_numpy() == scanpy_cells.obs["n_genes_by_counts"].to_numpy()).all()
    assert np.allclose(measures["total"], scanpy_cells.obs["total_counts"])
    assert np.allclose(100 * measures["mito"], scanpy_cells.obs["pct_counts_mt"], rtol=1e-5)


@pytest.mark.parametrize("n_batches", [1, 2, 3])
@pytest.mark.parametrize("n", [20, 80, 1000])
def test_chosen_genes_are_those_of_scanpy(n_batches, n):
    adata = raw_cells(n_batches=n_batches)
    counts = adata.layers["counts"]
    total = np.asarray(counts.sum(axis=1)).ravel()
    genes = choose_genes(counts, total, batch_codes(adata.obs), min_cells=1, n_top_genes=n)
    scanpy_cells = anndata.AnnData(counts.astype(np.float64), obs=adata.obs, var=adata.var)
    scanpy.pp.filter_genes(scanpy_cells, min_cells=1)
    scanpy.pp.normalize_total(scanpy_cells, target_sum=1e4)
    scanpy.pp.log1p(scanpy_cells)
    scanpy.pp.highly_variable_genes(scanpy_cells, n_top_genes=n, batch_key="batch" if n_batches > 1 else None)
    assert set(adata.var_names[genes]) == set(scanpy_cells.var_names[scanpy_cells.var["highly_variable"]])


def test_sums_do_not_depend_on_the_blocks(monkeypatch):
    adata = raw_cells()
    counts, groups = adata.layers["counts"], batch_codes(adata.obs)
    total = np.asarray(counts.sum(axis=1)).ravel()
    whole = gene_sums(counts, total, groups)
    monkeypatch.setattr(iterate_blocks, "__defaults__", (None, 7))
    assert np.allclose(gene_sums(counts, total, groups), whole, rtol=1e-12)
    assert (
        select_counts(counts, groups == 0, np.arange(300) < 5).toarray() == counts.toarray()[groups == 0][:, :5]
    ).all()


def test_stored_zeros_change_no_measure_and_stay_in_the_matrix():
    adata = raw_cells()
    padded = adata.layers["counts"].copy()
    padded.data[::3] = 0
    dense = sparse.csr_matrix(padded.toarray())
    before = padded.data.copy(), padded.indices.copy()
    genes = np.arange(adata.n_vars) < 10
    pd.testing.assert_frame_equal(
        quality_control.measure_cells(padded, genes), quality_control.measure_cells(dense, genes)
    )
    assert (padded.data == before[0]).all() and (padded.indices == before[1]).all()


def test_x_is_what_scanpy_computes_from_the_remaining_cells():
    adata = raw_cells()
    dataset = preprocess_cells(adata, every_fifth, **CHOICES)
    scanpy_cells = anndata.AnnData(adata.layers["counts"].copy(), obs=adata.obs, var=adata.var)
    scanpy.pp.normalize_total(scanpy_cells, target_sum=1e4)
    scanpy.pp.log1p(scanpy_cells)
    expected = scanpy_cells[dataset.obs_names, dataset.var_names].X.toarray()
    assert np.allclose(dataset.X.toarray(), expected, rtol=1e-5) and dataset.n_vars == 80
    assert (
        dataset.layers["counts"].toarray() == adata[dataset.obs_names, dataset.var_names].layers["counts"].toarray()
    ).all()


def test_every_threshold_is_applied_and_its_effect_recorded():
    adata = raw_cells()
    dataset = preprocess_cells(adata, every_fifth, **CHOICES)
    quality = dataset.uns["quality"]
    reason = quality["reasons"][quality["removed"]]
    assert len(reason) == adata.n_obs and (reason == "").sum() == dataset.n_obs
    assert set(quality["reasons"]) == {"", "min_n_genes", "max_mito", "max_doublet"}
    assert (quality["n_genes"][reason == "min_n_genes"] < 60).all() and (
        quality["n_genes"][reason != "min_n_genes"] >= 60
    ).all()
    assert (quality["mito"][reason == "max_mito"] > 0.08).all() and (
        quality["doublet"][reason == "max_doublet"] > 0.12
    ).all()
    assert np.isnan(quality["doublet"][(reason == "min_n_genes") | (reason == "max_mito")]).all()
    assert dataset.uns["thresholds"] == {"min_n_genes": 60, "min_total": 1, "max_mito": 0.08, "max_doublet": 0.12}
    assert [step.split(":")[0].split()[0] for step in dataset.uns["steps"]] == [
        "quality", "split", "doublets", "cells", "genes", "normalisation"
    ]  # fmt: skip


def training_part(adata: anndata.AnnData) -> pd.DataFrame:
    """What a model is trained on, by name of cell and gene."""
    return adata[adata.obs["split"] == "train"].to_df()


def test_nothing_leaks_from_labels_or_test_rows():
    adata = raw_cells()
    expected = training_part(preprocess_cells(adata, every_fifth, **CHOICES))
    generator = np.random.default_rng(1)
    relabelled = adata.copy()
    relabelled.obs["label"] = pd.Categorical(generator.permutation(adata.obs["label"].astype(str)))
    pd.testing.assert_frame_equal(training_part(preprocess_cells(relabelled, every_fifth, **CHOICES)), expected)
    tested = np.asarray(every_fifth(adata.obs)) == "test"
    disturbed = adata.copy()
    counts = adata.layers["counts"].toarray()
    counts[tested] = generator.permuted(counts[tested], axis=1)  # each test cell's counts at other genes
    disturbed.layers["counts"] = sparse.csr_matrix(counts)
    pd.testing.assert_frame_equal(training_part(preprocess_cells(disturbed, every_fifth, **CHOICES)), expected)
    order = np.arange(adata.n_obs)
    order[tested] = generator.permutation(order[tested])
    pd.testing.assert_frame_equal(
        training_part(preprocess_cells(adata[order].copy(), every_fifth, **CHOICES)), expected
    )


def test_training_rows_determine_the_genes():
    adata = raw_cells()
    before = preprocess_cells(adata, every_fifth, **CHOICES)
    counts = adata.layers["counts"].toarray()
    trained = np.asarray(every_fifth(adata.obs)) == "train"
    counts[trained] = np.random.default_rng(1).permuted(counts[trained], axis=1)
    adata.layers["counts"] = sparse.csr_matrix(counts)
    assert set(preprocess_cells(adata, every_fifth, **CHOICES).var_names) != set(before.var_names)


def test_simulated_doublets_have_high_scores():
    adata = raw_cells(n=600, n_batches=1)
    counts, label = adata.layers["counts"].toarray(), adata.obs["label"].cat.codes.to_numpy()
    pairs = [(i, j) for i, j in zip(np.flatnonzero(label == 0), np.flatnonzero(label == 1), strict=False)][:40]
    doubled = sparse.csr_matrix(np.vstack([counts, [counts[i] + counts[j] for i, j in pairs]]))
    scores = doublets.doublet_scores(doubled, doubled.sum(axis=1).A1, np.zeros(640, dtype=int), seed=0)
    assert np.median(scores[600:]) > np.quantile(scores[:600], 0.9)


def test_large_and_small_batches_get_no_doublet_scores(monkeypatch):
    counts, groups = raw_cells().layers["counts"], np.repeat([0, 1, -1], [300, 90, 10])
    scores = doublets.doublet_scores(counts, counts.sum(axis=1).A1, groups, seed=0)
    assert np.isfinite(scores[:300]).all() and np.isnan(scores[300:]).all()
    monkeypatch.setattr(doublets, "LARGEST", 299)
    assert np.isnan(doublets.doublet_scores(counts, counts.sum(axis=1).A1, groups, seed=0)).all()


def test_cells_without_a_label_are_removed():
    adata = raw_cells()
    adata.obs["label"] = adata.obs["label"].cat.remove_categories("type 0")
    dataset = preprocess_cells(adata, every_fifth, min_genes=1)
    assert dataset.n_obs == adata.obs["label"].notna().sum() and dataset.obs["label"].notna().all()


def test_thresholds_that_leave_nothing_are_refused():
    with pytest.raises(Refused, match=r"cells: none of 400 .*'min_genes': 400"):
        preprocess_cells(raw_cells(), every_fifth, min_genes=1000)
    with pytest.raises(Refused, match=r"cells: no gene .*999 cells.*min_cells"):
        preprocess_cells(raw_cells(), every_fifth, min_genes=1, min_cells=999)
