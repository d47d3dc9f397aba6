"""Derived datasets: merged labels, selected rows, joined sources, and rows held out."""

import itertools

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from support.cells import raw_cells

from gmvae.data.derived_sets import group_labels, join_sources, merge_labels, rows_to_keep, select_subset
from gmvae.data.prepare import prepare
from gmvae.data.split import divide_rows
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT

OBS = pd.DataFrame(
    {
        "label": pd.Categorical(["naive", "memory", "B", "odd"] * 10),
        "condition": pd.Categorical(["control"] * 20 + ["stimulated"] * 20),
    }
)


def test_merging_labels_keeps_the_old_ones_in_another_column():
    merged = merge_labels(OBS, {"T": ["naive", "memory"]})
    assert merged["label"].value_counts().to_dict() == {"T": 20, "B": 10, "odd": 10}
    assert (merged["type"] == OBS["label"]).all() and OBS["label"].nunique() == 4


def test_an_annotation_that_all_kept_rows_share_is_dropped():
    adata = raw_cells()
    subset = select_subset(adata, rows_to_keep(adata.obs, {"batch": ["batch 1"], "label": ["type 0", "type 2"]}))
    assert "batch" not in subset.obs and subset.obs["label"].cat.categories.tolist() == ["type 0", "type 2"]
    assert subset.n_obs == ((adata.obs["batch"] == "batch 1") & (adata.obs["label"] != "type 1")).sum()


def test_joined_sources_share_genes_by_name():
    first, second = raw_cells(n=30), raw_cells(n=20, seed=1)
    second = second[:, ::-1][:, :200].copy()
    joined = join_sources({"one": first, "two": second})
    assert joined.shape == (50, 200) and joined.obs["batch"].value_counts().to_dict() == {"one": 30, "two": 20}
    assert joined.var_names.tolist() == [name for name in first.var_names if name in second.var_names]
    part = joined[joined.obs["batch"] == "two"].layers["counts"].toarray()
    assert (part == second[:, joined.var_names].layers["counts"].toarray()).all()
    assert joined.obs_names.is_unique and (joined.obs["label"].astype(str).to_numpy()[:30] == first.obs["label"]).all()


def test_grouping_adds_a_column_with_gaps_and_keeps_the_labels():
    grouped = group_labels(OBS, {"T": ["naive", "memory"], "B": ["B"]})
    assert grouped["coarse"].value_counts().to_dict() == {"T": 20, "B": 10}
    assert (grouped["coarse"].isna() == (OBS["label"] == "odd")).all() and (grouped["label"] == OBS["label"]).all()


def test_only_rows_with_the_annotation_are_tested_and_the_share_counts_those_rows():
    split = pd.Series(divide_rows(OBS, 0.5, 0, ["odd"], tested={"condition": ["stimulated"]}))
    testable = (OBS["condition"] == "stimulated") & (OBS["label"] != "odd")
    assert (split[~testable] == "train").all() and (split[testable] == "test").sum() == 8 and testable.sum() == 15


def test_held_out_rows_are_tested_and_labels_for_training_only_are_not():
    split = pd.Series(divide_rows(OBS, 0.2, 0, ["odd"], {"label": "B", "condition": "stimulated"}))
    held_out = (OBS["label"] == "B") & (OBS["condition"] == "stimulated")
    assert (split[held_out] == "test").all() and (split[OBS["label"] == "odd"] == "train").all()
    assert (split[~held_out & (OBS["label"] != "odd")] == "test").sum() == 5
    alone = pd.Series(divide_rows(OBS, 0, 0, hold_out={"label": "B", "condition": "stimulated"}))
    assert (alone == "test").equals(held_out)


def test_donors_are_held_out_whole_by_the_entry_of_all_of_kangs_cells(tmp_path):
    """On a small file of the form of the published one: raw counts, obs with cell_type, label and replicate."""
    entry = read_config(ROOT / "config.yaml")["datasets"]["kang_full"]
    donors = [f"patient_{number}" for number in (101, 107, 1015, 1016, 1039, 1244, 1256, 1488)]
    obs = pd.DataFrame(itertools.product(["B cells", "NK cells"], ["ctrl", "stim"], donors, range(8)))
    obs.columns, obs.index = ["cell_type", "label", "replicate", "number"], obs.index.map(str)
    draws = np.random.default_rng(0)
    profiles = draws.gamma(1, 4, size=(len(obs), 260))
    cells = anndata.AnnData(csr_matrix(draws.poisson(profiles).astype(np.float32)), obs.astype({"number": str}))
    cells.write_h5ad(tmp_path / "cells.h5ad")
    settings = entry["settings"] | {"path": str(tmp_path / "cells.h5ad")}
    options = {"rows": entry["rows"], "cells": entry["cells"] | {"min_genes": 1}, "settings": settings}
    prepare("h5ad", tmp_path / "out.h5ad", entry["name"], test_share=entry["test_share"], **options)
    made = anndata.read_h5ad(tmp_path / "out.h5ad").obs
    assert set(made["condition"]) == {"ctrl", "stim"} and made["batch"].nunique() == 8
    assert set(made.loc[made["split"] == "test", "batch"]) == {"patient_1256", "patient_1488"}
    assert (made["split"] == "test").sum() == 2 * 2 * 2 * 8


@pytest.mark.parametrize(
    ("derive", "message"),
    [
        (lambda: merge_labels(OBS, {"T": ["naif"]}), r"rows\.merge: 'naif' .*B, memory, naive, odd"),
        (lambda: rows_to_keep(OBS, {"drug": ["a"]}), r"rows\.keep: 'drug' .*label, condition"),
        (lambda: rows_to_keep(OBS, {"label": ["A"]}), r"rows\.keep\.label: 'A' .*B, memory"),
        (lambda: divide_rows(OBS, 0.2, 0, ["C"]), r"rows\.train_only\.label: 'C' "),
        (lambda: divide_rows(OBS, 0.2, 0, tested={"batch": ["x"]}), r"rows\.tested: 'batch' "),
        (lambda: group_labels(OBS, {"T": ["naif"]}), r"rows\.coarse: 'naif' "),
    ],
)
def test_unknown_names_are_refused(derive, message):
    with pytest.raises(Refused, match=message):
        derive()


def test_sources_that_do_not_fit_are_refused():
    first, second = raw_cells(n=30), raw_cells(n=20)
    second.var_names = [f"other{j}" for j in range(300)]
    with pytest.raises(Refused, match=r"rows\.join: one and two .*gene"):
        join_sources({"one": first, "two": second})
    third = raw_cells(n=20)
    del third.obs["label"]
    with pytest.raises(Refused, match=r"rows\.join: only one has a label"):
        join_sources({"one": first, "three": third})
