"""Training curves: terms, bands over seeds, phases, and an axis that leaves the settled values legible."""

import numpy as np
import pandas as pd
import pytest
from support.drawing import NAMES, overlapping_texts, random_history

from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import curves


def test_the_axis_leaves_out_a_wild_start_only():
    start = np.r_[500.0, 100, 8, np.linspace(4, 2, 7)]
    band = pd.DataFrame({"min": start - 0.5, "median": start, "max": start + 0.5})
    low, high = curves.legible_range([band], max_reach=4)  # the settled half spans 1.5 to 3.83
    assert low == 1.5
    assert high == pytest.approx((2 + 2 / 6 * 4 + 0.5) + 4 * (2 / 6 * 4 + 1))
    assert curves.legible_range([band], max_reach=np.inf) == (1.5, 500.5)
    flat = pd.DataFrame({"min": [3.0, 1, 1, 1], "max": [3.0, 1, 1, 1]})
    assert curves.legible_range([flat], max_reach=4) == (1, 3)


def test_one_long_training_does_not_stretch_the_axis_of_the_others():
    lengths = {"a": 100, "b": 120, "c": 160, "long": 400}
    runs = {model: pd.DataFrame({"epoch": np.arange(1, n + 1)}) for model, n in lengths.items()}
    assert curves.last_epoch(runs) == 160
    assert curves.last_epoch({"long": runs["long"]}) == 400


def test_epochs_count_on_where_a_phase_starts_again_at_0(tmp_path):
    rows = [(seed, epoch, phase) for seed in (0, 1) for phase in "ab" for epoch in (0, 1, 2)]
    pd.DataFrame(rows, columns=["seed", "epoch", "phase"]).to_csv(tmp_path / "history.csv", index=False)
    table = curves.read_history(tmp_path / "history.csv")
    assert table["epoch"].tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert curves.phase_changes(table) == [2.5]


def test_curves_show_terms_that_are_not_zero_and_the_band_over_seeds():
    table = random_history(3)
    terms = curves.plotted_terms({"gmdvae": table, "ae": random_history(0)})
    assert terms == ["reconstruction", "kl_z", "kl_y", "loss", "occupancy"]
    figure = curves.curve_figure({"gmdvae": table}, NAMES)
    axes = next(axes for axes in figure.axes if axes.get_title() == r"$\mathrm{KL}_{z}$")
    by_epoch = table.groupby("epoch")["kl_z"]
    assert np.allclose(axes.lines[0].get_ydata(), by_epoch.median())
    corners = axes.collections[0].get_paths()[0].vertices
    assert corners[:, 1].max() == pytest.approx(by_epoch.max().max())
    assert corners[:, 1].min() == pytest.approx(by_epoch.min().min())
    assert axes.lines[1].get_xdata() == [3.5, 3.5]


@pytest.mark.parametrize("n_models", [1, 25])
def test_curves_fit_the_page(n_models):
    runs = {f"model number {i}": random_history(i % 3) for i in range(n_models)}
    assert overlapping_texts(curves.curve_figure(runs, NAMES)) == []


def test_a_history_without_its_columns_is_refused(tmp_path):
    pd.DataFrame({"seed": [0], "epoch": [1]}).to_csv(tmp_path / "history.csv", index=False)
    with pytest.raises(Refused, match=r"history\.csv lacks phase"):
        curves.draw(tmp_path / "out.pdf", "digits", NAMES, [tmp_path / "history.csv"], ["vae"])
    with pytest.raises(Refused, match=r"digits.*no model.*curves"):
        curves.draw(tmp_path / "out.pdf", "digits", NAMES, [], [])
