"""The models of a task side by side: one dot per seed, several measures, nothing averaged away."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gmvae.formats.metrics_table import read_metrics
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style

MEASURES = ("accuracy", "purity", "nmi", "ari", "silhouette")
LINE = 0.165  # inches: height of a model's line
SPREAD = 0.5  # share of that height over which the seeds' dots are spread
SPLIT = "test"


def draw(output: Path, task: str, names: dict, metrics: Path, compared: list[str]) -> None:
    """Draw each measure of the test split, one dot per seed, with the mean over seeds and the picked seed marked.

    Models stand in the order of `compared`; a model without a measure has an empty line in its panel.
    """
    table = read_metrics(metrics)
    table = table[(table["task"] == task) & table["model"].isin(compared)]
    test = table[(table["split"] == SPLIT) & table["metric"].isin(MEASURES)]
    if test.empty:
        raise Refused(f"{metrics} has no measure of the test split of task {task}: leave the figure out for it")
    models = [model for model in compared if model in set(test["model"])]
    style.save_figure(page(test, picked(table), names, models), output)


def picked(table: pd.DataFrame) -> dict[str, int]:
    """The seed with the largest training objective, by model; models without objective have none."""
    own = table[(table["metric"] == "objective") & (table["split"] == "train")].sort_values("seed")
    best = own.loc[own.groupby("model")["value"].idxmax()]
    return dict(zip(best["model"], best["seed"], strict=True))


def page(test: pd.DataFrame, chosen: dict[str, int], names: dict, models: list[str]) -> Figure:
    """The figure: one panel per measure, one line per model."""
    measures = [name for name in MEASURES if name in set(test["metric"])]
    figure = style.canvas(LINE * len(models) + 0.75)
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, measure in zip(grid, measures, strict=True):
        here = test[test["metric"] == measure]
        panel(axes, [here[here["model"] == model] for model in models], [chosen.get(model) for model in models])
        axes.set_title(style.text(style.display_name(names, measure)), size=8)
        limits(axes, here["value"], measure)
    grid[0].set_yticks(range(len(models)), [style.text(style.display_name(names, model)) for model in models])
    grid[0].set_ylim(len(models) - 0.4, -0.6)
    key = {
        "seed": Line2D([], [], linestyle="none", marker="o", markersize=3, color=style.colour(0), alpha=0.6, mew=0),
        "mean over seeds": Line2D([], [], linestyle="none", marker="|", markersize=8, mew=1.2, color="black"),
        "seed picked by its own objective": Line2D([], [], **ring()),
    }
    figure.legend(key.values(), key.keys(), loc="outside lower center", ncols=3)
    return figure


def panel(axes: Axes, runs: list[pd.DataFrame], chosen: list[int | None]) -> None:
    """One measure: a line per run, its seeds spread a little in height so that none hides another."""
    for line, (run, seed) in enumerate(zip(runs, chosen, strict=True)):
        run = run.sort_values("seed")
        if run.empty:
            continue
        heights = line + SPREAD * (np.arange(len(run)) / max(1, len(run) - 1) - 0.5) * (len(run) > 1)
        axes.plot(run["value"], heights, "o", color=style.colour(0), alpha=0.6, markersize=2.2, markeredgewidth=0)
        axes.plot(run["value"].mean(), line, "|", color="black", markersize=LINE * 72 * 0.7, markeredgewidth=1.2)
        mine = (run["seed"] == seed).to_numpy()
        axes.plot(run["value"][mine], heights[mine], **ring())
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color="0.9", linewidth=0.5)
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def limits(axes: Axes, values: pd.Series, measure: str) -> None:
    """From 0, or the least below it, to 1; for the silhouette, which is seldom near 1, to its greatest."""
    low, high = min(0.0, values.min()), 1.0 if measure != "silhouette" else max(values.max(), 0.05)
    margin = 0.04 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:g}")


def ring() -> dict:
    """The look of the picked seed."""
    look = {"marker": "o", "markersize": 4.5, "markerfacecolor": "none", "markeredgewidth": 0.9}
    return look | {"linestyle": "none", "markeredgecolor": style.colour(5)}


if __name__ == "__main__":
    run_step(draw)
