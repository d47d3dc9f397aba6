"""The preprocessing of cells against scanpy's, and that nothing of test rows or labels enters a fitted step."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse
from support.cells import CHOICES, every_fifth, raw_cells

from gmvae.data import quality_control
from gmvae.data.preprocessing import batch_codes, preprocess_cells
from gmvae.data.row_blocks import iterate_blocks, select_counts
from gmvae.data.variable_genes import choose_genes, gene_sums
from gmvae.pipeline.errors import Refused


def test_measures_are_those_of_scanpy():
    adata = raw_cells()
    found = quality_control.measure_cells(adata.layers["counts"], adata.var_names)
    known = anndata.AnnData(adata.layers["counts"], var=adata.var.assign(mt=adata.var_names.str.startswith("MT-")))
    scanpy.pp.calculate_qc_metrics(known, qc_vars=["mt"], percent_top=None, log1p=False, inplace=True)
    assert (found["n_genes"].to_numpy() == known.obs["n_genes_by_counts"].to_numpy()).all()
    assert np.allclose(found["total"], known.obs["total_counts"])
    assert np.allclose(100 * found["mito"], known.obs["pct_counts_mt"], rtol=1e-5)


@pytest.mark.parametrize("n_batches", [1, 2, 3])
@pytest.mark.parametrize("n", [20, 80, 1000])
def test_chosen_genes_are_those_of_scanpy(n_batches, n):
    adata = raw_cells(n_batches=n_batches)
    counts = adata.layers["counts"]
    total = np.asarray(counts.sum(axis=1)).ravel()
    found = choose_genes(counts, total, batch_codes(adata.obs), min_cells=1, n_top_genes=n)
    known = anndata.AnnData(counts.astype(np.float64), obs=adata.obs, var=adata.var)
    scanpy.pp.filter_genes(known, min_cells=1)
    scanpy.pp.normalize_total(known, target_sum=1e4)
    scanpy.pp.log1p(known)
    scanpy.pp.highly_variable_genes(known, n_top_genes=n, batch_key="batch" if n_batches > 1 else None)
    assert set(adata.var_names[found]) == set(known.var_names[known.var["highly_variable"]])


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


def test_stored_zeros_change_nothing_and_stay_where_they_are():
    adata = raw_cells()
    padded = adata.layers["counts"].copy()
    padded.data[::3] = 0
    dense = sparse.csr_matrix(padded.toarray())
    before = padded.data.copy(), padded.indices.copy()
    pd.testing.assert_frame_equal(
        quality_control.measure_cells(padded, adata.var_names), quality_control.measure_cells(dense, adata.var_names)
    )
    assert (padded.data == before[0]).all() and (padded.indices == before[1]).all()


def test_x_is_what_scanpy_makes_of_the_kept_cells():
    adata = raw_cells()
    found = preprocess_cells(adata, every_fifth, **CHOICES)
    known = anndata.AnnData(adata.layers["counts"].copy(), obs=adata.obs, var=adata.var)
    scanpy.pp.normalize_total(known, target_sum=1e4)
    scanpy.pp.log1p(known)
    expected = known[found.obs_names, found.var_names].X.toarray()
    assert np.allclose(found.X.toarray(), expected, rtol=1e-5) and found.n_vars == 80
    assert (
        found.layers["counts"].toarray() == adata[found.obs_names, found.var_names].layers["counts"].toarray()
    ).all()


def test_every_threshold_is_kept_and_its_work_recorded():
    adata = raw_cells()
    found = preprocess_cells(adata, every_fifth, **CHOICES)
    measured = found.uns["quality"]
    why = measured["reasons"][measured["removed"]]
    assert len(why) == adata.n_obs and (why == "").sum() == found.n_obs
    assert set(measured["reasons"]) == {"", "min_n_genes", "max_mito", "max_doublet"}
    assert (measured["n_genes"][why == "min_n_genes"] < 60).all() and (
        measured["n_genes"][why != "min_n_genes"] >= 60
    ).all()
    assert (measured["mito"][why == "max_mito"] > 0.08).all() and (
        measured["doublet"][why == "max_doublet"] > 0.12
    ).all()
    assert np.isnan(measured["doublet"][(why == "min_n_genes") | (why == "max_mito")]).all()
    assert found.uns["thresholds"] == {"min_n_genes": 60, "min_total": 1, "max_mito": 0.08, "max_doublet": 0.12}
    assert [step.split(":")[0].split()[0] for step in found.uns["steps"]] == [
        "quality", "split", "doublets", "genes", "normalisation"
    ]  # fmt: skip


def training_part(adata: anndata.AnnData) -> pd.DataFrame:
    """What a model is trained on, by name of cell and gene."""
    return adata[adata.obs["split"] == "train"].to_df()


def test_nothing_leaks_from_labels_or_test_rows():
    adata = raw_cells()
    known = training_part(preprocess_cells(adata, every_fifth, **CHOICES))
    generator = np.random.default_rng(1)
    relabelled = adata.copy()
    relabelled.obs["label"] = pd.Categorical(generator.permutation(adata.obs["label"].astype(str)))
    pd.testing.assert_frame_equal(training_part(preprocess_cells(relabelled, every_fifth, **CHOICES)), known)
    tested = np.asarray(every_fifth(adata.obs)) == "test"
    disturbed = adata.copy()
    counts = adata.layers["counts"].toarray()
    counts[tested] = generator.permuted(counts[tested], axis=1)  # each test cell's counts at other genes
    disturbed.layers["counts"] = sparse.csr_matrix(counts)
    pd.testing.assert_frame_equal(training_part(preprocess_cells(disturbed, every_fifth, **CHOICES)), known)
    order = np.arange(adata.n_obs)
    order[tested] = generator.permutation(order[tested])
    pd.testing.assert_frame_equal(training_part(preprocess_cells(adata[order].copy(), every_fifth, **CHOICES)), known)


def test_training_rows_do_choose_the_genes():
    adata = raw_cells()
    known = preprocess_cells(adata, every_fifth, **CHOICES)
    counts = adata.layers["counts"].toarray()
    trained = np.asarray(every_fifth(adata.obs)) == "train"
    counts[trained] = np.random.default_rng(1).permuted(counts[trained], axis=1)
    adata.layers["counts"] = sparse.csr_matrix(counts)
    assert set(preprocess_cells(adata, every_fifth, **CHOICES).var_names) != set(known.var_names)


def test_doublets_are_found_where_they_were_made():
    adata = raw_cells(n=600, n_batches=1)
    counts, label = adata.layers["counts"].toarray(), adata.obs["label"].cat.codes.to_numpy()
    pairs = [(i, j) for i, j in zip(np.flatnonzero(label == 0), np.flatnonzero(label == 1), strict=False)][:40]
    doubled = sparse.csr_matrix(np.vstack([counts, [counts[i] + counts[j] for i, j in pairs]]))
    scores = quality_control.doublet_scores(doubled, doubled.sum(axis=1).A1, np.zeros(640, dtype=int), seed=0)
    assert np.median(scores[600:]) > np.quantile(scores[:600], 0.9)


def test_large_and_small_batches_are_not_searched_for_doublets(monkeypatch):
    counts, groups = raw_cells().layers["counts"], np.repeat([0, 1, -1], [300, 90, 10])
    scores = quality_control.doublet_scores(counts, counts.sum(axis=1).A1, groups, seed=0)
    assert np.isfinite(scores[:300]).all() and np.isnan(scores[300:]).all()
    monkeypatch.setattr(quality_control, "LARGEST", 299)
    assert np.isnan(quality_control.doublet_scores(counts, counts.sum(axis=1).A1, groups, seed=0)).all()


def test_unlabelled_cells_go():
    adata = raw_cells()
    adata.obs["label"] = adata.obs["label"].cat.remove_categories("type 0")
    found = preprocess_cells(adata, every_fifth, min_genes=1)
    assert found.n_obs == adata.obs["label"].notna().sum() and found.obs["label"].notna().all()


def test_thresholds_that_leave_nothing_are_refused():
    with pytest.raises(
        Refused, match=r"cells: none of 400 passes the thresholds, they fail \{'min_n_genes': 400\}; relax"
    ):
        preprocess_cells(raw_cells(), every_fifth, min_genes=1000)
    with pytest.raises(Refused, match="cells: no gene is seen in 999 cells; lower min_cells"):
        preprocess_cells(raw_cells(), every_fifth, min_genes=1, min_cells=999)
