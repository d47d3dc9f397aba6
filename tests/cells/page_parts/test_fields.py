"""Fields of the map: which columns are offered, with which colours."""

from itertools import pairwise

import h5py
import numpy as np
import pytest
from support.exported import clustered_cells

from gmvae.cells.page_parts import fields, plots


@pytest.fixture
def file(tmp_path):
    adata = clustered_cells(80)
    adata.obs["constant"] = 1.0
    adata.obs["text"] = [f"text {i}" for i in range(80)]
    adata.obs["names"] = adata.obs["text"].astype("category")
    adata.obs["flag"] = np.arange(80) % 2 == 0
    adata.obs.loc[adata.obs_names[:3], "label"] = np.nan
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad") as opened:
        yield opened


def test_columns_with_one_value_or_with_free_text_are_no_choice(file, monkeypatch):
    monkeypatch.setattr(fields, "LONGEST_LEGEND", 50)
    keys = [field["key"] for field in fields.column_fields(file, np.arange(80))]
    assert keys[:4] == ["cluster", "label", "batch", "cluster_probability"]
    assert {"constant", "text", "names"}.isdisjoint(keys) and {"flag", "split", "mito"} <= set(keys)


def test_colours_of_the_file_win_and_others_are_told_apart(file):
    found = {field["key"]: field for field in fields.column_fields(file, np.arange(80))}
    assert found["cluster"]["colours"] == ["#0072b2", "#e69f00", "#009e73", "#cc79a7"]
    assert len(set(found["label"]["colours"])) == 3 and sum(found["label"]["counts"]) == 77
    assert len(set(fields.default_colours(20))) == 20 and len(fields.default_colours(50)) == 50


def test_colours_change_between_the_tails_and_a_range_is_never_empty(file):
    values = np.append(np.linspace(0, 1, 999), 1e6)
    field = fields.number_field("total", values)
    assert field["low"] == pytest.approx(0.005, abs=1e-3) and field["high"] < 1.01
    nothing = fields.gene_field("gene", "0", np.zeros(5, np.float32))
    assert nothing["low"] < nothing["high"]


def test_the_ramp_darkens_all_the_way():
    grey = [sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in plots.number_palette()]
    assert all(later < earlier for earlier, later in pairwise(grey))


def test_a_plot_has_the_same_names_whatever_the_process_drew_before():
    plane = np.random.default_rng(0).random((9, 2))
    assert plots.map_plot(plane) == plots.map_plot(plane)
