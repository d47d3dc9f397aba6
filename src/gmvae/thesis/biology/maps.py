"""The cells of a task in the plane: by cluster, type, condition and batch, and the generated cells among the real."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmvae.thesis.figures import legends, style
from gmvae.thesis.figures.latents import class_legend, class_marks
from gmvae.thesis.figures.scatter import Panel, draw_panel, marker_size
from gmvae.thesis.typeset import shorten_all

COLUMNS = 3
POINTS = 8000  # in one panel, at most
SIZE = 8  # of the letters, in points
NAMED_VALUES = 6  # conditions or batches that a panel's own legend can name


def map_figure(cells: pd.DataFrame, generated: pd.DataFrame) -> Figure:
    """One panel for each annotation, on the same coordinates, and one for the generated cells on their own.

    Args:
        cells: Rows of cells.csv: cluster, umap_1, umap_2 and as far as they are there label, condition and batch.
        generated: Rows of generated.csv: kind, u and v; none, and there is no such panel.
    """
    kinds = [kind for kind in ("label", "condition", "batch") if kind in cells and cells[kind].notna().any()]
    if {"condition", "batch"} <= set(kinds) and (cells["condition"] == cells["batch"]).all():
        kinds.remove("batch")
    n_panels = 1 + len(kinds) + (len(generated) > 0)
    n_columns = 2 if n_panels in (2, 4) else COLUMNS
    n_rows = -(-n_panels // n_columns)
    labels = sorted(cells["label"].dropna().unique()) if "label" in kinds else []
    entries, n_entries = class_legend(labels)
    n_lines = -(-len(entries) // n_entries)
    height = n_rows * (min(2.1, style.WIDTH / n_columns) + 0.45) + 0.18 * (n_lines + 1)
    figure = style.empty_figure(height)
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    plane = cells[["umap_1", "umap_2"]].to_numpy(dtype=np.float64)
    numbers = cells["cluster"].astype(int).to_numpy()
    marks = [str(k) for k in range(numbers.max() + 1)]
    step = -(-len(cells) // POINTS)
    draw_panel(grid[0], Panel(plane, numbers, "clusters", "", marks), step, SIZE)
    for axes, kind in zip(grid[1:], kinds, strict=False):
        known = cells[kind].notna().to_numpy()
        codes, values = pd.factorize(cells.loc[known, kind].astype(str), sort=True)
        marks = class_marks(list(values)) if kind == "label" and len(values) <= legends.MAX_NAMED else []
        draw_panel(axes, Panel(plane[known], codes, kind, "", marks), step, SIZE)
        if kind != "label":
            add_value_legend(axes, list(values))
    if len(generated):
        draw_generated(grid[1 + len(kinds)], generated)
    for axes in grid[n_panels:]:
        axes.set_axis_off()
    legends.add_legend(figure, entries, n_entries, [])
    return figure


def add_value_legend(axes: Axes, values: list[str]) -> None:
    """Name the conditions or batches below their panel; too many have no names."""
    if len(values) <= NAMED_VALUES:
        dots = [style.legend_dot(color=style.colour(i), marker="o", markersize=4) for i in range(len(values))]
        labels = [style.mathtext(label) for label in shorten_all(values, 18)]
        options = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "ncols": 2 if len(values) > 1 else 1}
        axes.legend(dots, labels, fontsize=7, handletextpad=0.1, columnspacing=0.6, **options)


def draw_generated(axes: Axes, generated: pd.DataFrame) -> None:
    """Real and generated cells in one plane, none in front of the others."""
    shuffled = generated.iloc[np.random.default_rng(0).permutation(len(generated))]
    colours = np.where(shuffled["kind"] == "real", style.GREY, style.colour(5))
    size = marker_size(len(shuffled), SIZE) ** 2
    axes.scatter(shuffled["u"], shuffled["v"], s=size, c=colours, linewidths=0, rasterized=True)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(True)
    axes.set_title("real and generated\n", size=SIZE, linespacing=1.1)
    looks = {"real": style.GREY, "generated": style.colour(5)}
    dots = [style.legend_dot(color=look, marker="o", markersize=4) for look in looks.values()]
    options = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "ncols": 2}
    axes.legend(dots, list(looks), fontsize=7, handletextpad=0.1, columnspacing=0.6, **options)
