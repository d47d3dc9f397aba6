"""Strips: a line for each model with a dot for each seed, so that no dot hides another and nothing is averaged away."""

import pandas as pd
import seaborn
from matplotlib.axes import Axes

from gmvae.thesis.figures import style

SPREAD = 0.5  # share of a line's height over which the seeds are spread
POINTS_PER_INCH = 72
LETTERS = 34  # longest name of a model beside its line


def plot_seeds(axes: Axes, scores: pd.DataFrame, models: list[str], seeds: list[int], colour: str, **look) -> None:
    """Plot a dot for each seed of each model, each seed at the same height in every model's line.

    seaborn's pointplot makes one artist for each seed; its stripplot would make one for each dot, which takes ten
    times as long for twenty models with ten seeds.

    Args:
        axes: The panel; its vertical axis becomes that of the models.
        scores: One row for each dot, with columns model, seed and value.
        models: The lines from top to bottom.
        seeds: All seeds from top to bottom of a line; those without a row leave room.
        colour: The dots' colour.
        look: Further properties of the dots (matplotlib's Line2D).
    """
    seaborn.pointplot(
        data=scores,
        x="value",
        y="model",
        hue="seed",
        order=models,
        hue_order=seeds,
        palette=[colour] * len(seeds),
        dodge=SPREAD if len(seeds) > 1 else False,
        errorbar=None,
        linestyle="none",
        legend=False,
        ax=axes,
        **look,
    )


def plot_means(axes: Axes, scores: pd.DataFrame, models: list[str], line_height: float) -> None:
    """Plot each model's mean over seeds as a bar across its line.

    Args:
        axes: The panel.
        scores: One row for each seed, with columns model and value.
        models: The lines from top to bottom.
        line_height: Height of a model's line in inches.
    """
    seaborn.pointplot(
        data=scores,
        x="value",
        y="model",
        order=models,
        errorbar=None,
        linestyle="none",
        color="black",
        marker="|",
        markersize=0.7 * line_height * POINTS_PER_INCH,
        markeredgewidth=1.2,
        ax=axes,
    )


def finish_strips(axes: Axes, models: list[str], names: dict) -> None:
    """Give the panel a grid and its lines the models' names.

    Args:
        axes: The panel, after its dots are plotted.
        models: The lines from top to bottom.
        names: Display names of models by their keys.
    """
    axes.set_yticks(range(len(models)), [style.mathtext(style.display_name(names, model, LETTERS)) for model in models])
    axes.set(ylim=(len(models) - 0.4, -0.6), xlabel="", ylabel="")
    axes.tick_params(axis="y", length=0)
    axes.grid(color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
