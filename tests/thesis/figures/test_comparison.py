"""Models side by side: every seed of every model, in order, the picked seed in a ring."""

import numpy as np
import pytest
from support.drawing import NAMES, overlapping_texts, random_metrics

from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import comparison, style


def dots(axes, marker="o"):
    """The values of a panel's dots or bars [models, seeds], and their heights."""
    lines = [line for line in axes.lines if line.get_marker() == marker and line.get_markerfacecolor() != "none"]
    return np.column_stack([line.get_xdata() for line in lines]), np.column_stack([line.get_ydata() for line in lines])


def rings(axes):
    """The value and the height of each ring of a panel."""
    lines = [line.get_xydata() for line in axes.lines if line.get_markerfacecolor() == "none"]
    return [point.tolist() for line in lines for point in line if np.isfinite(point).all()]


def panel_figure(table, picked, models):
    return comparison.comparison_figure(table[table["split"] == "test"], picked, NAMES, models)


def test_comparison_shows_each_seed_of_each_model_in_its_order():
    table = random_metrics(["b", "a"])
    first = panel_figure(table, {"a": 2, "b": None}, ["b", "a"]).axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["b", "a"]
    assert first.get_title() == "Accuracy"
    expected = table[table["metric"] == "accuracy"]["value"].to_numpy().reshape(2, 3)  # models, seeds
    values, heights = dots(first)
    assert np.array_equal(values, expected)
    assert heights == pytest.approx(np.array([[-0.25, 0, 0.25], [0.75, 1, 1.25]]))
    assert dots(first, marker="|")[0][:, 0] == pytest.approx(expected.mean(axis=1))
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first model on top


def test_a_ring_is_around_the_picked_seed_and_no_other():
    table = random_metrics(["b", "a"])
    first = panel_figure(table, {"a": 2, "b": None}, ["b", "a"]).axes[0]
    is_picked = (table["model"] == "a") & (table["seed"] == 2) & (table["metric"] == "accuracy")
    assert rings(first) == [[table.loc[is_picked, "value"].item(), 1.25]]


def test_a_missing_seed_leaves_its_place_empty_and_one_seed_is_in_the_middle():
    table = random_metrics(["b", "a"])
    missing = (table["model"] == "b") & (table["seed"] == 1)
    values, heights = dots(panel_figure(table[~missing], {}, ["b", "a"]).axes[0])
    assert np.isnan(values).tolist() == [[False, True, False], [False] * 3]
    assert heights[1].tolist() == [0.75, 1, 1.25]
    assert dots(panel_figure(random_metrics(["a"], seeds=[4]), {"a": 4}, ["a"]).axes[0])[1].tolist() == [[0]]


def test_the_picked_seed_is_the_first_with_the_best_training_objective(tmp_path, monkeypatch):
    table = random_metrics(["vae"])
    table.loc[table["metric"] == "objective", "value"] = [-5.0, -1.0, -1.0]
    figures = []
    monkeypatch.setattr(style, "save_figure", lambda figure, output: figures.append(figure))
    for rows in (table, table[table["metric"] != "objective"]):
        rows.to_csv(tmp_path / "metrics.csv", index=False)
        comparison.draw(tmp_path / "out.pdf", "digits", NAMES, tmp_path / "metrics.csv", ["vae"], [])
    accuracy = table.loc[table["metric"] == "accuracy", "value"].tolist()
    assert rings(figures[0].axes[0]) == [[accuracy[1], 0]]
    assert rings(figures[1].axes[0]) == []


def test_a_space_that_a_clustering_repeats_has_no_line_of_its_own():
    table = random_metrics(["ae", "ae_kmeans", "vae"])
    is_space = table["metric"] == "silhouette"
    same = table.loc[is_space & (table["model"] == "ae"), "value"].to_numpy()
    table.loc[is_space & (table["model"] == "ae_kmeans"), "value"] = same
    table = table[is_space | (table["model"] == "ae_kmeans")]
    scores = table[table["split"] == "test"]
    assert comparison.unclustered_spaces(scores) == {"ae"}  # the other space has nothing else in the figure
    assert comparison.unclustered_spaces(scores[scores["metric"] != "silhouette"]) == set()


def test_controls_are_lines_at_their_means_and_do_not_widen_the_axis(tmp_path, monkeypatch):
    table = random_metrics(["vae", "random"])
    values = table["value"].where(table["model"] == "vae", 9 * table["value"])
    table.assign(value=values).to_csv(tmp_path / "metrics.csv", index=False)
    figures = []
    monkeypatch.setattr(style, "save_figure", lambda figure, output: figures.append(figure))
    comparison.draw(tmp_path / "o.pdf", "digits", NAMES, tmp_path / "metrics.csv", ["random", "vae"], ["random"])
    axes = figures[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [NAMES.get("vae", "vae")]
    accuracy = table[table["metric"] == "accuracy"].assign(value=values).groupby("model")["value"]
    assert axes.lines[-1].get_xdata()[0] == pytest.approx(accuracy.mean()["random"])
    low, high = axes.get_xlim()
    assert low < accuracy.min()["vae"] and accuracy.max()["vae"] < high <= accuracy.max()["vae"] + 0.1


@pytest.mark.parametrize("n_models", [1, 25])
def test_comparison_fits_the_page(n_models):
    models = [f"a model of the family, number {i}" for i in range(n_models)]
    table = random_metrics(models)
    assert overlapping_texts(panel_figure(table, dict.fromkeys(models, 1), models)) == []


def test_rows_without_labels_are_compared_by_what_needs_none(tmp_path, monkeypatch):
    table = random_metrics(["vae"]).replace({"accuracy": "elbo", "purity": "occupancy"})
    table = table[table["metric"].isin(["elbo", "occupancy", "objective"])]
    table.to_csv(tmp_path / "metrics.csv", index=False)
    figures = []
    monkeypatch.setattr(style, "save_figure", lambda figure, output: figures.append(figure))
    comparison.draw(tmp_path / "out.pdf", "digits", NAMES, tmp_path / "metrics.csv", ["vae"], [])
    shown = table[table["split"] == "test"].groupby("metric")["value"]
    for axes, measure in zip(figures[0].axes, ["elbo", "occupancy"], strict=True):
        assert dots(axes)[0].ravel() == pytest.approx(shown.get_group(measure).to_numpy())


def test_a_task_without_measures_is_refused(tmp_path):
    random_metrics(["vae"]).to_csv(tmp_path / "metrics.csv", index=False)
    with pytest.raises(Refused, match=r"metrics\.csv has no measure .* task other"):
        comparison.draw(tmp_path / "out.pdf", "other", NAMES, tmp_path / "metrics.csv", ["vae"], [])
    assert not (tmp_path / "out.pdf").exists()
