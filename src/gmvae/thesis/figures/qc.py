"""The quality of a data set's raw cells: what was measured on each, the thresholds, and which cells they left out."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from gmvae.formats.dataset import load_dataset
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style

BINS = 50
KEPT, LEFT_OUT = style.colour(4), style.colour(5)
THRESHOLD = {"color": "black", "linewidth": 0.8, "linestyle": (0, (3, 2))}
MEASURES = {  # what is measured, as the axis says it, and whether its axis is logarithmic
    "n_genes": ("genes with a count", True),
    "total": ("counts", True),
    "mito": ("mitochondrial share", False),
    "doublet": ("doublet score", False),
}


def draw(output: Path, task: str, names: dict, data: Path) -> None:
    """Draw a histogram of the raw cells for each measure, those left out in another colour, thresholds as lines.

    Measures that were not taken, or are 0 in every cell, have no panel. Raises Refused for a set without measures.
    """
    adata = load_dataset(data)
    if "quality" not in adata.uns:
        raise Refused(
            f"{data} records no quality of cells: leave the figure qc out for task {task}, or give it `cells`"
        )
    style.save_figure(page(adata.uns["quality"], adata.uns["thresholds"]), output)


def page(quality: dict, thresholds: dict[str, float]) -> Figure:
    """The figure: a panel for each measure, and how many cells stay and go."""
    taken = [measure for measure in MEASURES if measure in quality and np.nanmax(quality[measure], initial=0) > 0]
    left_out = np.asarray(quality["reasons"])[quality["removed"]] != ""
    figure = style.canvas(1.9)
    grid = figure.subplots(1, len(taken), sharey=True, squeeze=False)[0]
    for axes, measure in zip(grid, taken, strict=True):
        panel(axes, measure, quality[measure], left_out)
        for threshold in lines(thresholds, measure):
            axes.axvline(threshold, **THRESHOLD)
    highest = max(bar.get_height() for axes in grid for bar in axes.patches)
    grid[0].set(ylabel="cells", ylim=(0.7, 1.3 * highest))
    key = {
        f"kept: {(~left_out).sum():,}": Patch(color=KEPT, linewidth=0),
        f"left out: {left_out.sum():,}": Patch(color=LEFT_OUT, linewidth=0),
        "threshold": Line2D([], [], **THRESHOLD),
    }
    figure.legend(key.values(), key.keys(), loc="outside lower center", ncols=3)
    return figure


def lines(thresholds: dict[str, float], measure: str) -> list[float]:
    """Where a measure has its thresholds; one that no cell can fail, such as at least 1 count, is not drawn."""
    found = [thresholds[key] for key in (f"min_{measure}", f"max_{measure}") if key in thresholds]
    return [value for value in found if value > 1 or not MEASURES[measure][1]]


def panel(axes: Axes, measure: str, values: np.ndarray, left_out: np.ndarray) -> None:
    """One measure: the cells that stay and those that go, each on a logarithmic scale, for the second are few."""
    words, logarithmic = MEASURES[measure]
    known = np.isfinite(values) & ((values > 0) | (not logarithmic))
    low, high = values[known].min(), values[known].max()
    edges = np.geomspace(low, high, BINS + 1) if logarithmic else np.linspace(low, high, BINS + 1)
    parts = [values[known & ~left_out], values[known & left_out]]
    for part, colour, opacity in zip(parts, (KEPT, LEFT_OUT), (1, 0.85), strict=True):
        axes.hist(part, edges, color=colour, alpha=opacity, linewidth=0)
    axes.set_yscale("log")
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(style.text(words))


if __name__ == "__main__":
    run_step(draw)
