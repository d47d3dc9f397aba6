"""New cells on a trained model: the same cells give the same answer, in any order of genes; foreign cells stand out."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from support.cell_runs import finish_run
from support.files_of_cells import logarithms, write_tenx_folder, write_tenx_h5

from gmvae.cells.annotate import annotate, print_missing, select_seed
from gmvae.cells.new_cells import align_genes
from gmvae.cells.unlike import compare_bounds
from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import pick_seed, read_latent
from gmvae.formats.weights import load_weights
from gmvae.nn.batches import rows_from_dataset
from gmvae.nn.inference import cluster_rows
from gmvae.pipeline.errors import Refused


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finish_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A conditional model that saw all labels of the training cells."""
    rows = {"condition": "batch"}
    return finish_run(tmp_path_factory.mktemp("run"), "cgmdvae", "all", (0,), rows)


def annotate_cells(run, folder, cells, **options):
    """The file that annotate writes for these cells."""
    cells.write_h5ad(folder / "new.h5ad")
    return annotate_file(run, folder, "new.h5ad", **options)


def annotate_file(run, folder, name, **options):
    """The file that annotate writes for the cells of this file or folder."""
    files = run / "weights.safetensors", folder / name, run / "data.h5ad", folder / "out.h5ad"
    annotate(*files, **{"n_importance": 8, "device": "cpu"} | options)
    return anndata.read_h5ad(folder / "out.h5ad")


def raw_rows(run, split=None):
    """Raw counts of the prepared cells over all genes, in their order; those of one split or of both."""
    data = load_dataset(run / "data.h5ad")
    names = data.obs_names if split is None else data.obs_names[data.obs["split"] == split]
    return anndata.read_h5ad(run / "raw.h5ad")[names].copy()


def test_the_dataset_itself_gets_what_embed_computed(run, tmp_path):
    data, latent = load_dataset(run / "data.h5ad"), read_latent(run / "latent.h5ad")
    out = annotate_cells(run, tmp_path, raw_rows(run))
    seed = pick_seed(latent)
    assert out.uns["gmvae"]["seed"] == seed
    assert (out.X != data.X).nnz == 0 and np.array_equal(out.obsm["X_pca"], data.obsm["X_pca"])
    assert np.allclose(out.obsm["q_y"], latent.obsm[f"q_y_{seed}"], atol=1e-5)
    assert np.allclose(out.obsm["X_gmdvae"], latent.obsm[f"z_{seed}"], atol=1e-5)
    assert np.array_equal(out.obs["cluster"].astype(int), latent.obs[f"cluster_{seed}"])
    table = pd.read_csv(tmp_path / "out.csv", index_col="row")
    assert table.index.tolist() == out.obs_names.tolist() and "predicted_label" not in table
    assert np.allclose(table["cluster_probability"], out.obsm["q_y"].max(axis=1), atol=1e-6)


def test_test_cells_alone_get_embed_s_probabilities(run, tmp_path):
    latent = read_latent(run / "latent.h5ad")
    test = (latent.obs["split"] == "test").to_numpy()
    out = annotate_cells(run, tmp_path, raw_rows(run, "test"), n_draws=512)  # other draws than embed's
    seed = pick_seed(latent)
    assert np.allclose(out.obsm["X_gmdvae"], latent.obsm[f"z_{seed}"][test], atol=1e-5)
    assert np.abs(out.obsm["q_y"] - latent.obsm[f"q_y_{seed}"][test]).mean() < 0.02
    assert out.obs["unlike"].mean() < 0.2


def test_the_order_of_genes_and_genes_unknown_to_the_model_change_nothing(run, tmp_path):
    cells = raw_rows(run, "test")
    first = annotate_cells(run, tmp_path, cells)
    order = np.random.default_rng(0).permutation(cells.n_vars)
    second = annotate_cells(run, tmp_path, cells[:, order].copy())
    assert first.var_names.equals(second.var_names) and (first.X != second.X).nnz == 0
    pd.testing.assert_frame_equal(first.obs, second.obs)
    chosen = cells[:, cells.var_names.isin(first.var_names)].copy()
    chosen.obs["all"] = np.asarray(cells.X.sum(axis=1)).ravel()
    third = annotate_cells(run, tmp_path, chosen, total="all")
    pd.testing.assert_frame_equal(first.obs, third.obs)


def write_identifiers(folder, cells):
    """The genes are named by Ensembl's ids, their symbols are a column."""
    symbols = pd.Categorical(cells.var_names)
    cells.var = cells.var.assign(feature_name=symbols).set_index("gene_ids")
    cells.write_h5ad(folder / "new.h5ad")


def write_layer(folder, cells):
    """X holds logarithms, the counts are a layer."""
    cells.layers["umi"] = cells.X.copy()
    cells.X = logarithms(cells.X)
    cells.write_h5ad(folder / "new.h5ad")


def write_raw_columns(folder, cells):
    """The counts are in raw, stored by columns, with other genes in X."""
    cells.X = sparse.csc_matrix(cells.X)
    few = cells[:, :5].copy()
    few.X = logarithms(cells.X.tocsr())[:, :5]
    few.raw = cells
    few.write_h5ad(folder / "new.h5ad")


def write_store(folder, cells):
    """A zarr store with ids as names."""
    cells.var = cells.var.assign(symbol=cells.var_names.to_numpy()).set_index("gene_ids")
    cells.write_zarr(folder / "new.zarr")


FORMS = {
    "layer": (write_layer, "new.h5ad"),
    "raw by columns": (write_raw_columns, "new.h5ad"),
    "identifiers": (write_identifiers, "new.h5ad"),
    "zarr": (write_store, "new.zarr"),
    "10x file": (lambda folder, cells: write_tenx_h5(folder / "new.h5", cells=cells), "new.h5"),
    "10x folder": (lambda folder, cells: write_tenx_folder(folder / "new", cells=cells), "new"),
}


@pytest.fixture(scope="module")
def usual(run, tmp_path_factory):
    """What is found of the test cells in an .h5ad."""
    return annotate_cells(run, tmp_path_factory.mktemp("usual"), raw_rows(run, "test"))


@pytest.mark.filterwarnings("ignore")  # anndata's and zarr's, of the older format
@pytest.mark.parametrize("form", FORMS)
def test_any_form_of_file_gives_the_same_answer(run, usual, tmp_path, form, capsys):
    write, name = FORMS[form]
    cells = raw_rows(run, "test")
    cells.var["gene_ids"] = [f"ENSG{j:011d}" for j in range(cells.n_vars)]
    write(tmp_path, cells)
    pd.testing.assert_frame_equal(annotate_file(run, tmp_path, name).obs, usual.obs)
    column = {"identifiers": "feature_name", "zarr": "symbol"}.get(form, "")
    assert (f"genes are named by {column}: 80 of 80 genes" in capsys.readouterr().out) == bool(column)


def test_names_of_genes_and_columns_of_10x_can_be_named(run, conditional, usual, tmp_path):
    cells = raw_rows(run, "test")
    cells.var["gene_ids"] = [f"ENSG{j:011d}" for j in range(cells.n_vars)]
    write_tenx_h5(tmp_path / "new.h5", cells=cells)
    with pytest.raises(Refused, match=r"80 of 80 genes of the model are missing .*; the file has ENSG0.*--gene-names"):
        annotate_file(run, tmp_path, "new.h5", gene_names="ids")
    with pytest.raises(Refused, match=r"new\.h5: gene-names is 'symbol'; allowed: symbols, ids; did you mean symbols"):
        annotate_file(run, tmp_path, "new.h5", gene_names="symbol")
    cells.obs["all"] = 2 * np.asarray(cells.X.sum(axis=1)).ravel()
    cells.obs.to_csv(tmp_path / "cells.csv")
    options = {"annotations": str(tmp_path / "cells.csv"), "gene_names": "symbols", "total": "all"}
    assert np.array_equal(annotate_file(run, tmp_path, "new.h5", **options).obs["total"], 2 * usual.obs["total"])
    named = raw_rows(conditional, "test")
    named.var["gene_ids"] = cells.var["gene_ids"]
    write_tenx_folder(tmp_path / "new", cells=named)
    named.obs.to_csv(tmp_path / "cells.csv")
    options = {"annotations": str(tmp_path / "cells.csv"), "condition": "batch"}
    expected = annotate_cells(conditional, tmp_path, raw_rows(conditional, "test"), condition="batch").obs
    pd.testing.assert_frame_equal(annotate_file(conditional, tmp_path, "new", **options).obs, expected)


def test_a_file_without_counts_or_of_another_form_is_refused(run, tmp_path):
    cells = raw_rows(run, "test")
    cells.X = logarithms(cells.X)
    with pytest.raises(Refused, match=r"new\.h5ad: no raw counts: X holds fractional values"):
        annotate_cells(run, tmp_path, cells)
    (tmp_path / "new.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Refused, match=r"new\.csv: is a table with commas; in Python: "):
        annotate_file(run, tmp_path, "new.csv")
    with pytest.raises(Refused, match=r"nex\.h5ad: no such file or folder; did you mean new\.h5ad\?"):
        annotate_file(run, tmp_path, "nex.h5ad")


def test_missing_genes_count_as_zero_and_are_named(run, tmp_path, capsys):
    cells = raw_rows(run, "test")
    known = load_dataset(run / "data.h5ad").var_names
    totals = np.asarray(cells.X.sum(axis=1)).ravel()
    fewer = cells[:, ~cells.var_names.isin(known[:8])].copy()
    fewer.obs["all"] = totals
    out = annotate_cells(run, tmp_path, fewer, total="all")
    assert f"warning: 8 of 80 genes of the model are missing and count as 0: {known[0]}, " in capsys.readouterr().out
    assert out.uns["missing_genes"].tolist() == known[:8].tolist() and out[:, known[:8]].X.nnz == 0
    blank = cells.copy()
    blank.X = cells.X.multiply(~cells.var_names.isin(known[:8])).tocsr().astype(np.int32)
    blank.obs["all"] = totals
    pd.testing.assert_frame_equal(annotate_cells(run, tmp_path, blank, total="all").obs, out.obs)


def test_of_many_missing_genes_some_are_printed(capsys):
    print_missing(np.array([f"gene{j}" for j in range(60)]), 2000)
    printed = capsys.readouterr().out
    assert "60 of 2000 genes" in printed and printed.count("gene") < 30 and "all in uns['missing_genes']" in printed


def test_cells_whose_genes_are_shuffled_are_unlike_any(run, tmp_path):
    cells = raw_rows(run, "test")
    dense, draws = cells.X.toarray(), np.random.default_rng(1)
    foreign = cells.copy()
    foreign.X = np.stack([draws.permutation(row) for row in dense]).astype(np.int32)
    out = annotate_cells(run, tmp_path, foreign)
    usual = annotate_cells(run, tmp_path, cells)
    assert out.obs["unlike"].mean() > 0.8 > 0.2 > usual.obs["unlike"].mean()
    assert np.isfinite(out.obs["bound"]).all() and usual.obs["bound_above_usual"].abs().median() < 10


def test_bounds_are_compared_at_equal_counts():
    draws = np.random.default_rng(2)
    sums = draws.lognormal(6, 1, 500)
    usual = -3 * np.log1p(sums) ** 2 + draws.normal(size=500)
    above, above_train = compare_bounds(usual - 50, sums, usual, sums)
    assert np.allclose(above + 50, above_train) and above_train.std() < 1.1  # the noise alone is left
    assert np.allclose(
        compare_bounds(usual, sums, usual, sums)[1],
        usual - np.polyval(np.polyfit(np.log1p(sums), usual, 2), np.log1p(sums)),
    )
    assert np.isfinite(compare_bounds(usual, sums, usual[:1], sums[:1])[0]).all()


def test_about_one_in_a_hundred_training_cells_is_unlike_the_others(run, tmp_path):
    out = annotate_cells(run, tmp_path, raw_rows(run, "train"))
    assert 0 < out.obs["unlike"].mean() <= 0.03


def test_a_model_that_saw_labels_names_its_clusters(conditional, tmp_path):
    cells = raw_rows(conditional, "test")
    options = {"observed": conditional / "observed.csv", "condition": "batch"}
    out = annotate_cells(conditional, tmp_path, cells, **options)
    named = out.obs["predicted_label"].astype(object)
    expected = out.obs["cluster"].astype(int).map(dict(enumerate(["type 0", "type 1", "type 2"])))
    assert named.fillna("none").tolist() == expected.astype(object).fillna("none").tolist()
    assert (named == cells.obs["label"].astype(str)).mean() > 0.8
    assert "predicted_label" in pd.read_csv(tmp_path / "out.csv")


def test_clusters_of_a_model_without_labels_have_no_names(run, tmp_path, capsys):
    out = annotate_cells(run, tmp_path, raw_rows(run, "test"), observed=run / "observed.csv")
    assert "predicted_label" not in out.obs and "has no true labels" in capsys.readouterr().out


def test_one_seed_of_a_model_is_that_seed(run):
    device = torch.device("cpu")
    model, description = load_weights(run / "weights.safetensors", device)
    data = load_dataset(run / "data.h5ad")
    hidden = np.full(data.n_obs, -1)
    together = cluster_rows(model, rows_from_dataset(data, hidden, 3, 4, device, encode="components"), None)
    for s in range(3):
        alone, arguments = select_seed(model, description, s)
        rows = rows_from_dataset(data, hidden, 1, 4, device, encode="components")
        assert arguments["seeds"] == [s] and torch.allclose(cluster_rows(alone, rows, None)[0], together[s], atol=1e-6)


def test_genes_are_aligned_by_name():
    counts = np.array([[1, 2, 3], [0, 4, 0]], np.float32)
    aligned, sums = align_genes(counts, pd.Index(["a", "b", "c"]), pd.Index(["c", "x", "a"]))
    assert aligned.toarray().tolist() == [[3, 0, 1], [0, 0, 0]] and sums.tolist() == [6, 4]


def test_what_does_not_fit_is_refused_in_one_line(run, conditional, toy, tmp_path):
    cells = raw_rows(run, "test")
    renamed = cells.copy()
    renamed.var_names = [f"ENSG{i}" for i in range(renamed.n_vars)]
    with pytest.raises(Refused, match=r"80 of 80 genes of the model are missing \(100%\), such as .*; allowed: 20%"):
        annotate_cells(run, tmp_path, renamed)
    with pytest.raises(Refused, match=r"total is 'all', not a column of obs"):
        annotate_cells(run, tmp_path, cells, total="all")
    with pytest.raises(Refused, match=r"obs\['label'\] holds values that are no numbers"):
        annotate_cells(run, tmp_path, cells, total="label")
    empty = cells.copy()
    empty.X = empty.X.multiply(np.arange(empty.n_obs)[:, None] > 0).tocsr().astype(np.int32)
    with pytest.raises(Refused, match=r"found 1 of \d+ cells without counts"):
        annotate_cells(run, tmp_path, empty)
    with pytest.raises(Refused, match=r"--condition is missing: .* column that holds batch 0, batch 1"):
        annotate_cells(conditional, tmp_path, cells)
    cells.obs["lane"] = "batch 7"
    with pytest.raises(Refused, match=r"condition 'batch 7' is not known to the model; allowed: batch 0, batch 1"):
        annotate_cells(conditional, tmp_path, cells, condition="lane")
    weights, data, out = run / "weights.safetensors", run / "raw.h5ad", tmp_path / "out.h5ad"
    with pytest.raises(Refused, match=r"toy.h5ad: found 16 features with likelihood normal; allowed: the counts of 80"):
        annotate(weights, data, toy / "toy.h5ad", out)
