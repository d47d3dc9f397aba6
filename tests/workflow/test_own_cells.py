"""Seven files as users have them, of real cells: from the look at them to the page and the book, through Snakemake."""

import shutil
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from support.checkout import copied, snakemake
from support.files_of_cells import blood_cells

from gmvae.cells.inspect import inspect
from gmvae.pipeline.sources import ROOT

N = 240
TYPES = ["CD14+ Monocyte", "CD19+ B", "CD56+ NK"]


def few_cells() -> anndata.AnnData:
    """Cells of three types that scanpy ships, without any column but their type."""
    cells = blood_cells()
    cells = cells[cells.obs["bulk_labels"].isin(TYPES)][:N].copy()
    cells.obs = cells.obs[["bulk_labels"]].rename(columns={"bulk_labels": "cell_type"})
    cells.obs["cell_type"] = cells.obs["cell_type"].cat.remove_unused_categories()
    return cells


def labelled() -> anndata.AnnData:
    return few_cells()


def unlabelled() -> anndata.AnnData:
    cells = few_cells()
    cells.obs = cells.obs[[]]
    return cells


def two_batches() -> anndata.AnnData:
    cells = unlabelled()
    cells.obs["donor_id"] = pd.Categorical([f"D{i % 2}" for i in range(cells.n_obs)])
    return cells


def two_conditions() -> anndata.AnnData:
    cells = labelled()
    cells.obs["stim"] = pd.Categorical(np.where(np.arange(cells.n_obs) % 3, "ctrl", "stim"))
    return cells


def ensembl_ids() -> anndata.AnnData:
    cells = labelled()
    symbols = pd.Categorical(cells.var_names)
    cells.var = pd.DataFrame({"feature_name": symbols}, index=cells.var["gene_ids"].to_numpy())
    return cells


def mouse_genes() -> anndata.AnnData:
    cells = labelled()
    names = [name.capitalize() for name in cells.var_names]
    cells.var = pd.DataFrame(
        index=[f"mt-{name[3:].capitalize()}" if name.startswith("Mt-") else name for name in names]
    )
    return cells


def one_batch_per_label() -> anndata.AnnData:
    cells = labelled()
    cells.obs["sample"] = cells.obs["cell_type"].cat.rename_categories(lambda name: f"of {name}")
    return cells


# Each file, with the columns that its configuration must name, and the model whose clusters are shown.
CASES = {
    labelled: ({"label": "cell_type"}, "gmdvae"),
    unlabelled: ({}, "gmdvae"),
    two_batches: ({"batch": "donor_id"}, "cgmdvae"),
    two_conditions: ({"label": "cell_type", "condition": "stim"}, "cgmdvae"),
    ensembl_ids: ({"label": "cell_type", "gene_names": "feature_name"}, "gmdvae"),
    mouse_genes: ({"label": "cell_type"}, "gmdvae"),
    one_batch_per_label: ({"label": "cell_type", "batch": "sample"}, "cgmdvae"),
}
QUICK = (two_conditions,)  # the others are left out by `make test`
ACROSS_BATCHES = (two_batches, one_batch_per_label)  # where the batch becomes the condition, as a comment proposes


def small_changes(case: Callable[[], anndata.AnnData]) -> dict:
    """What a user may change of the configuration of a file: here, so that it takes seconds."""
    name = case.__name__
    dataset = {"cells": {"min_genes": 40, "n_top_genes": 300}}
    if case in ACROSS_BATCHES:
        dataset["rows"] = {"condition": "batch"}
    task = {
        "models": [CASES[case][1]],
        "settings": {"n_latent": 4, "n_hidden": 16},
        "training": {"epochs": 4, "autoencode_epochs": 1, "guide_epochs": 1},
    }
    return {"studies": {name: {"seeds": [0]}}, "datasets": {name: dataset}, "tasks": {name: task}}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, in which each file is looked at and run."""
    return copied(tmp_path_factory.mktemp("own") / "project")


def look_at(project: Path, case: Callable[[], anndata.AnnData], changes: dict) -> list[str]:
    """Look at a file; the words for Snakemake that name its configuration and the user's changes to it."""
    name = case.__name__
    case().write_h5ad(project / f"{name}.h5ad")
    inspect(project / f"{name}.h5ad", project / f"{name}.yaml", name, overwrite=True, config=ROOT / "config.yaml")
    (project / "small.yaml").write_text(yaml.safe_dump(changes))
    return ["--configfile", f"{name}.yaml", "small.yaml"]


def run_case(project: Path, case: Callable[[], anndata.AnnData]) -> tuple[dict, anndata.AnnData, pd.DataFrame]:
    """The settings that the look at a file finds, and through Snakemake the cells with clusters and the metrics."""
    name, model = case.__name__, CASES[case][1]
    files = look_at(project, case, small_changes(case))
    metrics = f"results/runs/{name}/{model}/metrics.csv"
    run = snakemake(project, "cells", metrics, *files, cores="1")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-6000:]
    settings = yaml.safe_load((project / f"{name}.yaml").read_text())["datasets"][name]["settings"]
    return settings, anndata.read_h5ad(project / f"results/cells/{name}.h5ad"), pd.read_csv(project / metrics)


@pytest.mark.parametrize(
    "case",
    [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES],
    ids=lambda case: case.__name__,
)
def test_a_file_of_cells_becomes_clusters_and_a_page(project, case):
    columns, model = CASES[case]
    settings, cells, metrics = run_case(project, case)
    assert {key: value for key, value in settings.items() if key not in ("path", "counts")} == columns
    raw = case()
    n_kept = int((np.diff(raw.X.indptr) >= 40).sum())
    assert cells.n_obs == n_kept > 0.8 * raw.n_obs and cells.uns["gmvae"]["model"] == model
    roles = {"label", "condition", "batch"} & {*columns, "condition" if case in ACROSS_BATCHES else ""}
    assert roles == {"label", "condition", "batch"} & set(cells.obs)
    symbols = raw.var["feature_name"].astype(str) if "gene_names" in columns else raw.var_names
    assert set(cells.var_names) <= set(symbols) and cells.n_vars == 300
    assert (cells.obs["mito"] > 0).any()  # the one gene of 765 that is mitochondrial, however it is written
    html = (project / f"results/cells/{case.__name__}.html").read_text(encoding="utf-8")
    assert f"{cells.n_obs} cells" in html and ('id="labels-title"' in html) == ("label" in columns)
    assert {"elbo", "bound", "occupancy"} <= set(metrics["metric"])
    assert ("accuracy" in set(metrics["metric"])) == ("label" in columns)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("case", [unlabelled, two_conditions], ids=lambda case: case.__name__)
def test_the_command_that_the_look_prints_ends_with_a_book(project, case):
    """With every model and figure that the look proposes; only the networks and the thresholds are smaller."""
    changes = small_changes(case)
    del changes["tasks"][case.__name__]["models"]
    everywhere = {"thesis": {"figures": {"comparison": "all"}}}
    run = snakemake(project, "results", "results/thesis.pdf", *look_at(project, case, changes | everywhere), cores="2")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-6000:]
    assert (project / "results/thesis.pdf").stat().st_size > 1e6
