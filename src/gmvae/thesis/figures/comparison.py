"""The models of a task side by side: one dot per seed, several measures, nothing averaged away."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gmvae.formats.metrics_table import read_metrics
from gmvae.metrics.statistics import picked_seed
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import strips, style

MEASURES = ("accuracy", "purity", "nmi", "ari", "silhouette")
WITHOUT_LABELS = ("elbo", "bound", "reconstruction", "occupancy")  # of a task whose rows have none
LINE_HEIGHT = 0.165  # inches, of a model's line
SPLIT = "test"
DOT = {"marker": "o", "markersize": 2.6, "alpha": 0.75, "markeredgewidth": 0}
CONTROL = {"color": style.GREY, "linestyle": ":", "linewidth": 0.9}
RING_COLOUR = "0.25"  # of no model
RING = {  # around the picked seed
    "marker": "o",
    "markersize": 4.5,
    "markerfacecolor": "none",
    "markeredgewidth": 0.6,
    "markeredgecolor": RING_COLOUR,
}


def draw(output: Path, task: str, names: dict, metrics: Path, compared: list[str], controls: list[str]) -> None:
    """Draw each measure of each model on the test split, a dot for each seed.

    A bar marks the mean over seeds, a ring the seed with the best training objective. A model without a measure has an
    empty line in that panel. Controls have no line of their own: their means are dotted lines, where the axis reaches.
    Where rows have no labels, the ELBO, its bound and the components in use take the place of the scores.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose models are compared.
        names: Display names of models and measures by their keys.
        metrics: The results, metrics.csv.
        compared: The models from top to bottom.
        controls: Those of them that bound every measure.

    Raises:
        Refused: The task has no measure of the test split.
    """
    table = read_metrics(metrics)
    table = table[(table["task"] == task) & table["model"].isin(compared)]
    of_split = table[table["split"] == SPLIT]
    shown = MEASURES if of_split["metric"].isin(MEASURES).any() else WITHOUT_LABELS
    scores = of_split[of_split["metric"].isin(shown)]
    if scores.empty:
        raise Refused(f"{metrics} has no measure of the test split of task {task}: leave the figure out for it")
    with_scores = [model for model in compared if model in set(scores["model"]) - unclustered_spaces(scores)]
    models = [model for model in with_scores if model not in controls] or with_scores
    picked = {model: picked_seed(table, task, model) for model in models}
    style.save_figure(comparison_figure(scores, picked, names, models), output)


def unclustered_spaces(scores: pd.DataFrame) -> set[str]:
    """The models that have a silhouette only, which a clustering of the same space repeats in its own line.

    Args:
        scores: One row for each model, seed and metric, with the column value.
    """
    table = scores.pivot_table(index="model", columns=["metric", "seed"], values="value")
    if "silhouette" not in table or ("accuracy" not in table and "purity" not in table):
        return set()
    is_clustered = table.drop(columns="silhouette", level="metric").notna().any(axis=1)
    spaces = table["silhouette"].round(9).apply(tuple, axis=1)
    return set(table.index[~is_clustered & spaces.isin(set(spaces[is_clustered]))])


def comparison_figure(scores: pd.DataFrame, picked: dict[str, int | None], names: dict, models: list[str]) -> Figure:
    """One panel for each measure, one line for each model, in the model's colour.

    Args:
        scores: One row for each model, seed and metric, with the column value; models without a line are controls.
        picked: The picked seed of each model that has one.
        names: Display names of models and measures by their keys.
        models: The models from top to bottom.
    """
    measures = [name for name in (*MEASURES, *WITHOUT_LABELS) if name in set(scores["metric"])]
    figure = style.empty_figure(LINE_HEIGHT * len(models) + 0.75)
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    seeds = sorted(scores["seed"].unique())
    is_picked = scores["seed"] == scores["model"].map(picked)
    for axes, measure in zip(grid, measures, strict=True):
        is_shown = scores["metric"] == measure
        has_line = is_shown & scores["model"].isin(models)
        for look in dict.fromkeys(map(style.model_colour, models)):
            has_look = has_line & (scores["model"].map(style.model_colour) == look)
            strips.plot_seeds(axes, scores[has_look], models, seeds, look, **DOT)
        strips.plot_means(axes, scores[has_line], models, LINE_HEIGHT)
        strips.plot_seeds(axes, scores[has_line & is_picked], models, seeds, RING_COLOUR, **RING)
        strips.finish_strips(axes, models, names)
        set_measure_range(axes, scores.loc[has_line, "value"])
        for level in scores[is_shown & ~has_line].groupby("model")["value"].mean():
            axes.axvline(level, **CONTROL)
        axes.set_title(style.mathtext(style.display_name(names, measure)), size=8)
    entries = {
        "seed": style.legend_dot(**DOT | {"markersize": 3}, color=style.GREY),
        "mean over seeds": style.legend_dot(marker="|", markersize=8, markeredgewidth=1.2, color="black"),
        "seed picked by its own objective": style.legend_dot(**RING),
    }
    if not set(scores["model"]) <= set(models):
        entries["control, where the axis reaches"] = Line2D([], [], **CONTROL)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=len(entries))
    return figure


def set_measure_range(axes: Axes, values: pd.Series) -> None:
    """From the smallest to the largest value of the models, at least a tenth wide."""
    low, high = values.min(), values.max()
    margin = max(0.06 * (high - low), 0.05 - (high - low) / 2)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:g}")


if __name__ == "__main__":
    run_step(draw)
