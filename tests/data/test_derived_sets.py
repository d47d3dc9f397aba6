"""Derived sets: merged labels, kept rows, joined sources, and rows held out."""

import numpy as np
import pandas as pd
import pytest
from support.cells import raw_cells

from gmvae.data.derived_sets import group_labels, join_sources, merge_labels, rows_to_keep, select_subset
from gmvae.data.split import divide_rows
from gmvae.pipeline.errors import Refused

OBS = pd.DataFrame(
    {
        "label": pd.Categorical(["naive", "memory", "B", "odd"] * 10),
        "condition": pd.Categorical(["control"] * 20 + ["stimulated"] * 20),
    }
)


def test_merged_labels_keep_the_old_ones_beside():
    found = merge_labels(OBS, {"T": ["naive", "memory"]})
    assert found["label"].value_counts().to_dict() == {"T": 20, "B": 10, "odd": 10}
    assert (found["type"] == OBS["label"]).all() and OBS["label"].nunique() == 4


def test_kept_rows_lose_what_all_share():
    adata = raw_cells()
    found = select_subset(adata, rows_to_keep(adata.obs, {"batch": ["batch 1"], "label": ["type 0", "type 2"]}))
    assert "batch" not in found.obs and found.obs["label"].cat.categories.tolist() == ["type 0", "type 2"]
    assert found.n_obs == ((adata.obs["batch"] == "batch 1") & (adata.obs["label"] != "type 1")).sum()


def test_joined_sources_share_genes_by_name():
    first, second = raw_cells(n=30), raw_cells(n=20, seed=1)
    second = second[:, ::-1][:, :200].copy()
    found = join_sources({"one": first, "two": second})
    assert found.shape == (50, 200) and found.obs["batch"].value_counts().to_dict() == {"one": 30, "two": 20}
    assert found.var_names.tolist() == [name for name in first.var_names if name in second.var_names]
    part = found[found.obs["batch"] == "two"].layers["counts"].toarray()
    assert (part == second[:, found.var_names].layers["counts"].toarray()).all()
    assert found.obs_names.is_unique and (found.obs["label"].astype(str).to_numpy()[:30] == first.obs["label"]).all()


def test_groups_stand_beside_the_labels_with_gaps():
    found = group_labels(OBS, {"T": ["naive", "memory"], "B": ["B"]})
    assert found["coarse"].value_counts().to_dict() == {"T": 20, "B": 10}
    assert (found["coarse"].isna() == (OBS["label"] == "odd")).all() and (found["label"] == OBS["label"]).all()


def test_only_rows_with_the_annotation_are_tested_and_the_share_is_of_those():
    split = pd.Series(divide_rows(OBS, 0.5, 0, ["odd"], tested={"condition": ["stimulated"]}))
    may = (OBS["condition"] == "stimulated") & (OBS["label"] != "odd")
    assert (split[~may] == "train").all() and (split[may] == "test").sum() == 8 and may.sum() == 15


def test_division_holds_out_and_leaves_out():
    split = pd.Series(divide_rows(OBS, 0.2, 0, ["odd"], {"label": "B", "condition": "stimulated"}))
    held = (OBS["label"] == "B") & (OBS["condition"] == "stimulated")
    assert (split[held] == "test").all() and (split[OBS["label"] == "odd"] == "train").all()
    assert (split[~held & (OBS["label"] != "odd")] == "test").sum() == 5
    alone = pd.Series(divide_rows(OBS, 0, 0, hold_out={"label": "B", "condition": "stimulated"}))
    assert (alone == "test").equals(held)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: merge_labels(OBS, {"T": ["naif"]}),
            r"rows\.merge: 'naif' does not occur; allowed: B, memory, naive, odd",
        ),
        (lambda: rows_to_keep(OBS, {"drug": ["a"]}), r"rows\.keep: 'drug' is no annotation; allowed: label, condition"),
        (lambda: rows_to_keep(OBS, {"label": ["A"]}), r"rows\.keep\.label: 'A' does not occur; allowed: B, memory"),
        (lambda: divide_rows(OBS, 0.2, 0, ["C"]), r"rows\.train_only\.label: 'C' does not occur"),
        (lambda: divide_rows(OBS, 0.2, 0, tested={"batch": ["x"]}), r"rows\.tested: 'batch' is no annotation"),
        (lambda: group_labels(OBS, {"T": ["naif"]}), r"rows\.coarse: 'naif' does not occur"),
    ],
)
def test_unknown_names_are_refused(wrong, message):
    with pytest.raises(Refused, match=message):
        wrong()


def test_sources_that_do_not_fit_are_refused():
    first, second = raw_cells(n=30), raw_cells(n=20)
    second.var_names = [f"other{j}" for j in range(300)]
    with pytest.raises(Refused, match=r"rows\.join: one and two have no gene in common"):
        join_sources({"one": first, "two": second})
    third = raw_cells(n=20)
    del third.obs["label"]
    with pytest.raises(Refused, match=r"rows\.join: only one has a label; give the other"):
        join_sources({"one": first, "three": third})
    assert np.isfinite(first.layers["counts"].data).all()
