"""The cells of a task as a file for viewers: what it holds, that its statistics are right, and that scanpy reads it."""

import importlib.util
import json

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse
from scipy.stats import entropy, false_discovery_control, mannwhitneyu
from support.cell_runs import K, finish_run
from support.checkout import copied, planned

from gmvae.cells.export import category_colours, cluster_columns, export, seed_agreement
from gmvae.cells.exports import compared_tasks, exported_model, exported_tasks, has_counts
from gmvae.cells.markers import best_clusters, rank_markers
from gmvae.cells.plane import place_cells
from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import pick_seed, read_latent
from gmvae.metrics.project import project, umap_plane
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT


def export_to(folder, run, latent="latent.h5ad"):
    inputs = run / "data.h5ad", run / latent, run / "provenance.json"
    export(*inputs, folder / "t.h5ad", folder / "cells.csv", folder / "markers.csv")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finish_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run):
    export_to(tmp_path_factory.mktemp("out"), run)
    return tmp_path_factory.getbasetemp() / "out0"


@pytest.fixture(scope="module")
def cells(folder):
    return anndata.read_h5ad(folder / "t.h5ad")


def test_the_file_holds_the_dataset_and_the_picked_seed(run, cells):
    data, latent = load_dataset(run / "data.h5ad"), read_latent(run / "latent.h5ad")
    seed = pick_seed(latent)
    assert (cells.X != data.X).nnz == 0 and cells.X.dtype == np.float32 and sparse.isspmatrix_csr(cells.X)
    assert (cells.layers["counts"] != data.layers["counts"]).nnz == 0 and cells.layers["counts"].dtype.kind == "i"
    assert np.array_equal(cells.obsm["X_gmdvae"], latent.obsm[f"z_{seed}"])
    assert np.array_equal(cells.obsm["X_pca"], data.obsm["X_pca"])
    assert np.array_equal(cells.obsm["q_y"], latent.obsm[f"q_y_{seed}"]) and cells.obsm["q_y"].shape[1] == K
    assert set(cells.obs["cluster"].cat.categories) == set(cells.obs["cluster"]) <= {"0", "1", "2", "3"}
    assert np.array_equal(cells.obs["cluster"].astype(int), latent.obs[f"cluster_{seed}"])
    for key in ("split", "label", "batch"):
        assert (cells.obs[key] == data.obs[key]).all() and len(cells.uns[f"{key}_colors"]) == cells.obs[key].nunique()
    assert cells.var["highly_variable"].all()
    commit = json.loads((run / "provenance.json").read_text())["commit"] or "unknown"
    expected = {
        "dataset": "Cells",
        "task": "made",
        "model": "gmdvae",
        "seed": seed,
        "K": K,
        "labels_observed": False,
        "commit": commit,
    }
    assert {key: cells.uns["gmvae"][key] for key in expected} == expected


def test_the_quality_of_the_cells_that_are_left_is_told_with_what_was_dropped(run, cells):
    raw = anndata.read_h5ad(run / "raw.h5ad")[cells.obs_names]
    assert np.array_equal(cells.obs["n_genes"], raw.X.getnnz(axis=1))
    assert np.array_equal(cells.obs["total"], np.asarray(raw.X.sum(axis=1)).ravel())
    assert np.allclose(cells.obs["mito"], raw.X[:, :10].sum(axis=1).A1 / raw.X.sum(axis=1).A1, atol=1e-6)
    dropped = cells.uns["gmvae"]["dropped"]
    assert sum(dropped.values()) == 400 - cells.n_obs > 0 and set(dropped) <= set(cells.uns["gmvae"]["thresholds"])


def test_certainty_is_that_of_q_y(cells):
    q = cells.obsm["q_y"].astype(float)
    assert np.allclose(cells.obs["cluster_probability"], q.max(axis=1))
    assert np.allclose(cells.obs["cluster_entropy"], entropy(q / q.sum(1, keepdims=True), axis=1), atol=1e-5)
    sure = cluster_columns(np.array([1]), np.array([[0.0, 1.0]], np.float32), pd.Index(["a"]))
    assert sure["cluster_entropy"].item() == 0 and sure["cluster_probability"].item() == 1


def run_of_seeds(*clusters, k=3):
    """A run with these clusters of each seed."""
    obs = pd.DataFrame({f"cluster_{seed}": values for seed, values in enumerate(clusters)})
    return anndata.AnnData(
        obs=obs.set_index(obs.index.astype(str)), uns={"seeds": range(len(clusters)), "n_components": k}
    )


def test_seeds_agree_whatever_they_call_a_cluster():
    own, renamed = [0, 0, 0, 1, 1, 2], [2, 2, 2, 0, 0, 1]
    assert seed_agreement(run_of_seeds(own, renamed), 0).tolist() == [1] * 6
    one_differs = [2, 2, 0, 0, 0, 1]
    assert seed_agreement(run_of_seeds(own, renamed, one_differs), 0).tolist() == [1, 1, 0.5, 1, 1, 1]
    assert np.isnan(seed_agreement(run_of_seeds(own), 0)).all()


def test_markers_are_those_of_the_rank_sum_test(cells, folder):
    table = pd.read_csv(folder / "markers.csv", dtype={"cluster": str})
    name = cells.obs["cluster"].value_counts().index[0]
    inside = (cells.obs["cluster"] == name).to_numpy()
    dense = cells.X.toarray().astype(float)
    test = mannwhitneyu(dense[inside], dense[~inside], use_continuity=False, method="asymptotic")
    rows = table[table["cluster"] == name].set_index("gene").loc[cells.var_names]
    assert rows["rank"].sort_values().tolist() == list(range(1, cells.n_vars + 1))
    assert np.allclose(rows["p_adjusted"], false_discovery_control(test.pvalue), rtol=1e-4, atol=1e-12)
    higher = test.statistic > inside.sum() * (~inside).sum() / 2
    assert np.array_equal(rows["score"] > 0, higher) and (rows.sort_values("rank")["score"].diff()[1:] <= 0).all()
    assert np.allclose(rows["share_in"], (dense[inside] > 0).mean(axis=0))
    assert np.allclose(rows["share_out"], (dense[~inside] > 0).mean(axis=0))
    ratio = np.expm1(dense[inside].mean(axis=0)) / np.expm1(dense[~inside].mean(axis=0))
    assert np.allclose(rows["log_fold_change"], np.log2(ratio), atol=1e-3)


def test_a_gene_marks_the_cluster_with_its_best_score(cells):
    marked = cells.var[cells.var["marker_of"] != ""]
    assert len(marked) > 0 and marked["marker_score"].gt(0).all()
    frames = {
        name: scanpy.get.rank_genes_groups_df(cells, name).set_index("names")
        for name in cells.uns["rank_genes_groups"]["names"].dtype.names
    }
    scores = pd.DataFrame({name: frame["scores"] for name, frame in frames.items()}).loc[marked.index]
    assert (scores.idxmax(axis=1) == marked["marker_of"]).all()
    assert np.allclose(scores.max(axis=1), marked["marker_score"])
    rest = cells.var[cells.var["marker_of"] == ""]
    assert rest["marker_score"].isna().all()


def test_clusters_without_cells_or_with_all_cells_have_no_markers():
    draws = np.random.default_rng(0)
    adata = anndata.AnnData(sparse.csr_matrix(draws.poisson(1.0, (20, 5)).astype(np.float32)))
    adata.obs["cluster"] = pd.Categorical(["1"] * 20, categories=["0", "1"])
    assert len(rank_markers(adata)) == 0 and "rank_genes_groups" not in adata.uns
    assert best_clusters(rank_markers(adata), adata.var_names)["marker_of"].eq("").all()
    adata.obs["cluster"] = pd.Categorical(["1"] * 12 + ["3"] * 7 + ["0"], categories=["0", "1", "2", "3"])
    assert set(rank_markers(adata)["cluster"]) == {"1", "3"}


def test_the_same_run_gives_the_same_bytes(run, folder, tmp_path):
    export_to(tmp_path, run)
    for name in ("t.h5ad", "cells.csv", "markers.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_cells_lie_where_the_figures_show_them(run, cells, folder, tmp_path):
    project(run / "data.h5ad", [run / "latent.h5ad"], ["gmdvae"], tmp_path / "p.csv")
    shown = pd.read_csv(tmp_path / "p.csv").set_index("row").loc[cells.obs_names]
    assert np.allclose(shown[["u", "v"]], cells.obsm["X_umap"], atol=1e-4)
    table = pd.read_csv(folder / "cells.csv", index_col="row")
    assert table.index.tolist() == cells.obs_names.tolist()
    assert np.allclose(table[["umap_1", "umap_2"]], cells.obsm["X_umap"], atol=1e-4)
    assert np.allclose(table["seed_agreement"], cells.obs["seed_agreement"])


def test_a_cluster_keeps_its_colour_whichever_others_are_empty():
    full, some = (pd.DataFrame({"cluster": pd.Categorical(list(names))}) for names in ("0123", "13"))
    colours = category_colours(full, 4)["cluster_colors"]
    assert category_colours(some, 4)["cluster_colors"].tolist() == colours[[1, 3]].tolist() and len(set(colours)) == 4
    many = category_colours(pd.DataFrame({"x": pd.Categorical([f"{i}" for i in range(300)])}), 4)["x_colors"]
    assert len(many) == 300 and len(set(many)) == 102


def test_many_cells_are_placed_among_those_that_are_fitted():
    draws = np.random.default_rng(3)
    group = np.arange(300) % 2
    z = (draws.normal(size=(300, 4)) + 20 * group[:, None]).astype(np.float32)
    plane = place_cells(z, 60)
    rows = np.sort(np.random.default_rng(0).permutation(300)[:60])
    assert np.array_equal(plane[rows], umap_plane(z[rows], 0)) and np.array_equal(plane, place_cells(z, 60))
    centres = np.stack([plane[rows][group[rows] == g].mean(axis=0) for g in (0, 1)])
    assert np.array_equal(np.linalg.norm(plane[:, None] - centres, axis=2).argmin(axis=1), group)
    assert np.array_equal(place_cells(z), umap_plane(z, 0))


def test_the_rules_make_five_files_of_each_task_and_the_thesis_tells_of_them(tmp_path):
    project = copied(tmp_path / "project")
    files = planned(project, "cells")
    beside = {f"results/cells/pbmc68k/{name}" for name in ("cells.csv", "markers.csv", "report.html")}
    written = {"results/cells/pbmc68k.h5ad", "results/cells/pbmc68k.html", *beside}
    assert {file for file in files if file.startswith("results/cells")} == written
    assert {file for file in files if "/runs/" in file and "gmdvae" not in file} == set()  # no other model is trained
    told = planned(project, "results/thesis.pdf")
    assert {"results/cells/pbmc68k.h5ad", "results/cells/pbmc68k/clusters.csv"} <= told


def test_scanpy_draws_the_file_in_its_colours(cells):
    axes = scanpy.pl.embedding(cells, "umap", color="cluster", show=False)
    drawn = {tuple(np.round(colour[:3], 3)) for part in axes.collections for colour in part.get_facecolors()}
    assert len(drawn) >= cells.obs["cluster"].nunique()
    scanpy.pl.rank_genes_groups_dotplot(cells, n_genes=2, show=False)
    again = cells.copy()
    scanpy.tl.rank_genes_groups(again, "cluster", method="t-test")
    assert again.uns["rank_genes_groups"]["params"]["method"] == "t-test"


@pytest.mark.skipif(importlib.util.find_spec("server") is None, reason="cellxgene is not installed")
def test_cellxgene_reads_the_file(folder, cells):
    from server.common.config.app_config import AppConfig
    from server.data_common.matrix_loader import MatrixDataLoader

    config = AppConfig()
    viewed = MatrixDataLoader(str(folder / "t.h5ad"), app_config=config).open(config)
    assert viewed.get_shape() == cells.shape and set(viewed.get_embedding_names()) == {"gmdvae", "pca", "umap"}
    assert viewed.get_colors()["cluster"] == dict(
        zip(cells.obs["cluster"].cat.categories, cells.uns["cluster_colors"], strict=True)
    )


def test_runs_that_have_no_clusters_or_no_counts_are_refused(run, tmp_path, toy):
    latent = anndata.read_h5ad(run / "latent.h5ad")
    latent.uns["n_components"] = 0
    latent.write_h5ad(run / "flat.h5ad")
    with pytest.raises(Refused, match=r"flat.h5ad: found a run without components; allowed: one with clusters"):
        export_to(tmp_path, run, "flat.h5ad")
    latent[1:].write_h5ad(run / "fewer.h5ad")
    with pytest.raises(Refused, match=r"fewer.h5ad has other rows than .*: run the step `embed` again"):
        export_to(tmp_path, run, "fewer.h5ad")
    with pytest.raises(Refused, match=r"toy.h5ad: found likelihood normal; allowed: negative_binomial"):
        export(toy / "toy.h5ad", run / "latent.h5ad", run / "provenance.json", *[tmp_path / "x"] * 3)
    (tmp_path / "provenance.json").write_text("{}")
    with pytest.raises(Refused, match=r"provenance.json: found no commit"):
        inputs = run / "data.h5ad", run / "latent.h5ad", tmp_path / "provenance.json"
        export(*inputs, *[tmp_path / name for name in ("t.h5ad", "c.csv", "m.csv")])


def test_one_of_the_tasks_without_labels_is_told_in_full_or_of_all_where_each_has_labels():
    config = read_config(ROOT / "config.yaml")
    config["study"] = "full"
    compared = compared_tasks(config)
    assert {"kang", "pbmc3k"} <= set(compared) and not {"pbmc3k_kang", "kang_without_b", "mnist"} & set(compared)
    config["studies"]["full"]["tasks"] = ["pbmc3k_kang"]
    assert compared_tasks(config) == ["pbmc3k_kang"]


def test_the_tasks_on_counts_with_components_are_exported():
    config = read_config(ROOT / "config.yaml", [])
    assert exported_tasks(config) == ["pbmc68k"] and exported_model(config, "pbmc68k") == ["gmdvae"]
    config["study"] = "full"
    tasks = exported_tasks(config)
    assert {"pbmc3k", "kang", "pbmc3k_kang"} <= set(tasks) and not any("mnist" in task for task in tasks)
    assert exported_model(config, "kang") == ["cgmdvae"]
    config["datasets"]["own"] = {"source": "tenx_h5"}
    config["tasks"]["own"] = {"dataset": "own", "models": ["pca", "vae", "vade"]}
    assert has_counts(config, "own") and exported_model(config, "own") == ["vade"]
    config["tasks"]["own"]["models"] = ["pca", "vae"]
    assert exported_model(config, "own") == []
