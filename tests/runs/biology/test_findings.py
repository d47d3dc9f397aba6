"""The step `findings` on finished runs: its tables agree with the export, the metrics and each other."""

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from support.cell_runs import finish_run

from gmvae.cells.export import export
from gmvae.cells.exports import FINDINGS
from gmvae.metrics.evaluate import evaluate
from gmvae.pipeline.errors import Refused
from gmvae.runs.biology.findings import find_biology


def tables_of(folder, run):
    export(
        run / "data.h5ad",
        run / "latent.h5ad",
        run / "provenance.json",
        folder / "t.h5ad",
        folder / "cells.csv",
        folder / "markers.csv",
    )
    find_biology(
        folder / "t.h5ad",
        folder / "markers.csv",
        run / "data.h5ad",
        run / "weights.safetensors",
        run / "latent.h5ad",
        folder,
        device="cpu",
    )
    assert {path.stem for path in folder.glob("*.csv")} == {*FINDINGS, "cells", "markers"}
    return {name: pd.read_csv(folder / f"{name}.csv", dtype={"cluster": str}) for name in FINDINGS}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finish_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory, run):
    return tables_of(tmp_path_factory.mktemp("tables"), run)


def test_the_tables_are_of_the_exported_cells_and_agree_with_the_metrics(tmp_path, run, tables):
    values = tables["findings"].set_index("measure")["value"]
    assert len(tables["clusters"]) == values["clusters"]
    assert tables["clusters"]["cells"].sum() == tables["confusion"]["cells"].sum()
    evaluate(run / "latent.h5ad", tmp_path / "metrics.csv", "made", "gmdvae")
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    purities = metrics[(metrics["metric"] == "purity") & (metrics["split"] == "test")]["value"].to_numpy()
    tested = tables["recall"].dropna(subset=["recall"])
    assert np.abs(purities - np.average(tested["recall"], weights=tested["cells"])).min() < 1e-8


def test_generated_cells_are_as_many_as_real_ones_and_areas_are_shares(tables):
    kinds = tables["generated"]["kind"].value_counts()
    assert kinds["real"] == kinds["generated"] > 0
    values = tables["findings"].set_index("measure")["value"]
    areas = values[["auc_linear", "auc_boosted", "auc_redrawn", "auc_control"]]
    assert areas.between(0, 1).all() and abs(values["auc_control"] - 0.5) < 0.15


def test_the_same_run_gives_the_same_bytes(tmp_path, run, tables):
    again = tables_of(tmp_path, run)
    for name in FINDINGS:
        pd.testing.assert_frame_equal(again[name], tables[name], check_exact=True)


def test_a_conditional_model_predicts_the_change_of_each_gene(tmp_path, tmp_path_factory):
    run = finish_run(tmp_path_factory.mktemp("conditional"), "cgmdvae", seeds=(0,), rows={"condition": "batch"})
    tables = tables_of(tmp_path, run)
    values, genes = tables["findings"].set_index("measure")["value"], tables["changed_genes"]
    assert values["ece_mean"] == values["ece"] and np.isnan(values["ece_sd"])  # one seed
    assert len(genes) and genes["predicted"].notna().all() and genes["predicted"].std() > 0


def test_without_labels_clusters_take_the_place_of_types(tmp_path, run):
    adata = anndata.read_h5ad(run / "data.h5ad")
    adata.obs = adata.obs.drop(columns="label").assign(condition=adata.obs["batch"])
    (tmp_path / "run").mkdir()
    adata.write_h5ad(tmp_path / "run" / "data.h5ad")
    for name in ("latent.h5ad", "provenance.json", "weights.safetensors"):
        shutil.copy(run / name, tmp_path / "run" / name)
    tables = tables_of(tmp_path, tmp_path / "run")
    assert all(tables[name].empty for name in ("confusion", "recall", "calibration"))
    assert set(tables["changes"]["type"].astype(str)) <= set(tables["clusters"]["cluster"])
    assert tables["changed_genes"]["predicted"].isna().all()  # the model knows no conditions


def test_another_dataset_is_refused(tmp_path, run, tmp_path_factory):
    other = finish_run(tmp_path_factory.mktemp("other"), seeds=(0,), rows=None)
    export(
        run / "data.h5ad",
        run / "latent.h5ad",
        run / "provenance.json",
        tmp_path / "t.h5ad",
        tmp_path / "c.csv",
        tmp_path / "m.csv",
    )
    with pytest.raises(Refused, match=r"found seed \d; .* has \[0\]"):
        find_biology(
            tmp_path / "t.h5ad",
            tmp_path / "m.csv",
            other / "data.h5ad",
            other / "weights.safetensors",
            other / "latent.h5ad",
            tmp_path,
            device="cpu",
        )
