"""The models of a task side by side: one dot per seed, several measures, nothing averaged away."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gmvae.formats.metrics_table import read_metrics
from gmvae.metrics.statistics import picked_seed
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import strips, style

MEASURES = ("accuracy", "purity", "nmi", "ari", "silhouette")
LINE_HEIGHT = 0.165  # inches, of a model's line
SPLIT = "test"
DOT = {"marker": "o", "markersize": 2.2, "alpha": 0.6, "markeredgewidth": 0}
RING = {  # around the picked seed
    "marker": "o",
    "markersize": 4.5,
    "markerfacecolor": "none",
    "markeredgewidth": 0.9,
    "markeredgecolor": style.colour(5),
}


def draw(output: Path, task: str, names: dict, metrics: Path, compared: list[str]) -> None:
    """Draw each measure of each model on the test split, a dot for each seed.

    A bar marks the mean over seeds, a ring the seed with the best training objective. A model without a measure has an
    empty line in that panel.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose models are compared.
        names: Display names of models and measures by their keys.
        metrics: The results, metrics.csv.
        compared: The models from top to bottom.

    Raises:
        Refused: The task has no measure of the test split.
    """
    table = read_metrics(metrics)
    table = table[(table["task"] == task) & table["model"].isin(compared)]
    scores = table[(table["split"] == SPLIT) & table["metric"].isin(MEASURES)]
    if scores.empty:
        raise Refused(f"{metrics} has no measure of the test split of task {task}: leave the figure out for it")
    models = [model for model in compared if model in set(scores["model"])]
    picked = {model: picked_seed(table, task, model) for model in models}
    style.save_figure(comparison_figure(scores, picked, names, models), output)


def comparison_figure(scores: pd.DataFrame, picked: dict[str, int | None], names: dict, models: list[str]) -> Figure:
    """One panel for each measure, one line for each model.

    Args:
        scores: One row for each model, seed and metric, with the column value.
        picked: The picked seed of each model that has one.
        names: Display names of models and measures by their keys.
        models: The models from top to bottom.
    """
    measures = [name for name in MEASURES if name in set(scores["metric"])]
    figure = style.empty_figure(LINE_HEIGHT * len(models) + 0.75)
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    seeds = sorted(scores["seed"].unique())
    is_picked = scores["seed"] == scores["model"].map(picked)
    for axes, measure in zip(grid, measures, strict=True):
        is_shown = scores["metric"] == measure
        strips.plot_seeds(axes, scores[is_shown], models, seeds, style.colour(0), **DOT)
        strips.plot_means(axes, scores[is_shown], models, LINE_HEIGHT)
        strips.plot_seeds(axes, scores[is_shown & is_picked], models, seeds, style.colour(5), **RING)
        strips.finish_strips(axes, models, names)
        set_measure_range(axes, scores.loc[is_shown, "value"], measure)
        axes.set_title(style.mathtext(style.display_name(names, measure)), size=8)
    entries = {
        "seed": style.legend_dot(**DOT | {"markersize": 3}, color=style.colour(0)),
        "mean over seeds": style.legend_dot(marker="|", markersize=8, markeredgewidth=1.2, color="black"),
        "seed picked by its own objective": style.legend_dot(**RING),
    }
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3)
    return figure


def set_measure_range(axes: Axes, values: pd.Series, measure: str) -> None:
    """From 0, or the smallest value below it, to 1; of the silhouette, seldom near 1, to its largest value."""
    low, high = min(0.0, values.min()), 1.0 if measure != "silhouette" else max(values.max(), 0.05)
    margin = 0.04 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:g}")


if __name__ == "__main__":
    run_step(draw)
