"""The quality of a dataset's raw cells: their measures, the thresholds, and the cells that these left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from gmvae.formats.dataset import load_dataset
from gmvae.formats.quality import config_name, count_failures, removal_by_cell
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style

BINS = 50
COLOURS = {"left out": (style.colour(5), 0.85), "kept": (style.colour(4), 1.0)}  # with their opacity
MEASURES = {  # label of the axis, and whether the axis is logarithmic
    "n_genes": ("genes with a count", True),
    "total": ("counts", True),
    "mito": ("mitochondrial share", False),
    "doublet": ("doublet score", False),
}


def draw(output: Path, task: str, names: dict, data: Path) -> None:
    """Draw a histogram of the raw cells for each measure of quality.

    Kept and left-out cells differ in colour; thresholds are lines, and above a panel is how many cells fail each. Below
    the mitochondrial share is the number of genes in it. Measures that were not taken, or are 0 in every cell, have no
    panel.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose dataset is shown.
        names: Not used; every figure has this flag.
        data: The task's dataset, an .h5ad.

    Raises:
        Refused: The dataset records no measures of its raw cells.
    """
    adata = load_dataset(data)
    if "quality" not in adata.uns:
        raise Refused(
            f"{data} records no quality of cells: leave the figure qc out for task {task}, or give it `cells`"
        )
    n_mito_genes = len(adata.uns.get("mito_genes", []))
    style.save_figure(quality_figure(adata.uns["quality"], adata.uns["thresholds"], n_mito_genes), output)


def quality_figure(quality: dict, thresholds: dict[str, float], n_mito_genes: int = 0) -> Figure:
    """One panel for each measure, and in the legend the numbers of cells kept and left out.

    Args:
        quality: Values [n] of each measure, `reasons` and `removed`, the number of a cell's reason ("": kept) [n].
        thresholds: min_{measure} and max_{measure}.
        n_mito_genes: Number of mitochondrial genes; 0 where their share is the source's own.
    """
    measures = [measure for measure in MEASURES if measure in quality and np.nanmax(quality[measure], initial=0) > 0]
    failures = count_failures(quality, thresholds)
    is_kept = removal_by_cell(quality) == ""
    cells = pd.DataFrame({measure: np.asarray(quality[measure]) for measure in measures})
    cells["fate"] = np.where(is_kept, "kept", "left out")
    figure = style.empty_figure(2.2)
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, measure in zip(grid, measures, strict=True):
        plot_histogram(axes, cells, measure)
        for threshold in visible_thresholds(thresholds, measure):
            axes.axvline(threshold, **style.DASHED)
        axes.set_title(failure_lines(failures, thresholds, measure), fontsize=style.SETTINGS["xtick.labelsize"])
        if measure == "mito" and n_mito_genes:
            axes.set_xlabel(f"{axes.get_xlabel()}\n({n_mito_genes:,} gene{'s' * (n_mito_genes != 1)})")
    highest = max(bar.get_height() for axes in grid for bar in axes.patches)
    grid[0].set(ylabel="cells", ylim=(0.7, 1.3 * highest))
    counts = cells["fate"].value_counts()
    entries = {
        f"{fate}: {counts.get(fate, 0):,}": Patch(color=COLOURS[fate], linewidth=0) for fate in ("kept", "left out")
    }
    entries["threshold"] = Line2D([], [], **style.DASHED)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3)
    return figure


def failure_lines(failures: dict[str, int], thresholds: dict[str, float], measure: str) -> str:
    """One line for each threshold of a measure that is drawn or that cells fail: how many fail it."""
    drawn_values = visible_thresholds(thresholds, measure)
    keys = [key for key in (f"min_{measure}", f"max_{measure}") if key in thresholds]
    shown = [key for key in keys if failures[key] or thresholds[key] in drawn_values]
    return "\n".join(style.mathtext(f"{config_name(key)}: {failures[key]:,} fail") for key in shown)


def visible_thresholds(thresholds: dict[str, float], measure: str) -> list[float]:
    """The thresholds of a measure, but for those that no cell can fail, such as at least 1 count."""
    values = [thresholds[key] for key in (f"min_{measure}", f"max_{measure}") if key in thresholds]
    return [value for value in values if value > 1 or not MEASURES[measure][1]]


def plot_histogram(axes: Axes, cells: pd.DataFrame, measure: str) -> None:
    """One measure of the kept cells and, in front of them, of those left out; counts are logarithmic: these are few."""
    label, is_logarithmic = MEASURES[measure]
    known = cells[cells[measure] > 0] if is_logarithmic else cells
    seaborn.histplot(
        data=known,
        x=measure,
        hue="fate",
        hue_order=list(COLOURS),  # the first is in front
        palette=COLOURS,
        bins=BINS,
        log_scale=(is_logarithmic, False),
        alpha=None,  # that of the palette
        linewidth=0,
        legend=False,
        ax=axes,
    )
    axes.set_yscale("log")
    if is_logarithmic:
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(style.mathtext(label))


if __name__ == "__main__":
    run_step(draw)
