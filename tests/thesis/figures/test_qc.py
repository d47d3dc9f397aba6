"""The figure of quality: every cell counted once, thresholds where they are, the same bytes."""

import numpy as np
import pytest
from support.cells import CHOICES, every_fifth, raw_cells

from gmvae.data.preprocessing import preprocess_cells
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import qc, style


@pytest.fixture
def prepared(tmp_path):
    """A prepared set on disk with its measures."""
    adata = preprocess_cells(raw_cells(), every_fifth, **CHOICES)
    adata.uns["name"] = "Cells"
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad", adata


def test_every_cell_is_in_every_panel_and_thresholds_are_drawn(prepared):
    quality, thresholds = prepared[1].uns["quality"], prepared[1].uns["thresholds"]
    panels = qc.quality_figure(quality, thresholds, len(prepared[1].uns["mito_genes"])).axes
    assert [axes.get_xlabel() for axes in panels] == [
        "genes with a count",
        "counts",
        "mitochondrial share\n(10 genes)",
        "doublet score",
    ]
    scored = [400, 400, 400, np.isfinite(quality["doublet"]).sum()]
    assert [sum(bar.get_height() for bar in axes.patches) for axes in panels] == scored
    positions = [[line.get_xdata()[0] for line in axes.lines] for axes in panels]
    assert positions == [[60], [], [0.08], [0.12]]


def test_each_panel_has_the_cells_that_fail_its_thresholds(prepared):
    quality, thresholds = prepared[1].uns["quality"], prepared[1].uns["thresholds"]
    n_genes, mito, doublet = ((quality[key]) for key in ("n_genes", "mito", "doublet"))
    expected = [f"min_genes: {(n_genes < 60).sum()} fail", "", f"max_mito: {(mito > 0.08).sum()} fail"]
    expected.append(f"max_doublet: {(doublet > 0.12).sum()} fail")
    titles = [axes.get_title() for axes in qc.quality_figure(quality, thresholds).axes]
    assert titles == [style.mathtext(title) for title in expected] and min((mito > 0.08).sum(), (n_genes < 60).sum())


def test_a_threshold_whose_line_is_not_drawn_is_named_where_cells_fail_it():
    quality = {"total": np.array([0, 5, 7]), "removed": np.array([1, 0, 0]), "reasons": np.array(["", "min_total"])}
    axes = qc.quality_figure(quality, {"min_total": 1.0, "max_total": 6.0}).axes
    assert axes[0].get_title() == style.mathtext("min_total: 1 fail\nmax_total: 1 fail") and len(axes[0].lines) == 1


def test_a_share_of_the_sources_own_names_no_number_of_genes(prepared):
    panels = qc.quality_figure(prepared[1].uns["quality"], prepared[1].uns["thresholds"]).axes
    assert panels[2].get_xlabel() == "mitochondrial share"


def test_no_colour_of_the_left_out_stands_before_the_threshold_of_doublets(prepared):
    scores = qc.quality_figure(prepared[1].uns["quality"], prepared[1].uns["thresholds"]).axes[3]
    left_out = [bar for bar in scores.patches[qc.BINS :] if bar.get_height()]
    assert left_out and min(bar.get_x() + bar.get_width() for bar in left_out) > 0.12


def test_the_file_is_the_same_each_time_and_a_set_without_measures_is_refused(prepared, tmp_path):
    path, adata = prepared
    for name in ("a", "b"):
        qc.draw(tmp_path / f"{name}.pdf", "cells", {}, path)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    del adata.uns["quality"]
    adata.write_h5ad(path)
    with pytest.raises(Refused, match=r"cells\.h5ad records no quality .* qc .* task cells"):
        qc.draw(tmp_path / "c.pdf", "cells", {}, path)
    assert not (tmp_path / "c.pdf").exists()
