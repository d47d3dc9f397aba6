"""The page's two plots, drawn by Bokeh in the browser: the map of cells, and the markers by cluster."""

import json
import re

import numpy as np
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, HoverTool, LinearColorMapper, Model, Range1d, WheelZoomTool
from bokeh.plotting import figure

from gmvae.cells.page_parts.gene_values import GeneValues

INK = "#1c2733"
RAMP = ("#e4e8ee", "#8db8dd", "#0b5fa5", "#062a4f")  # of numbers, from low to high
SHADES = 64
MAP_WIDTH = 760  # pixels
DOT, CELL = 20, 26  # pixels: the largest dot of the markers, and the room for one
MARGIN = 0.03  # of the map's extent


def number_palette() -> list[str]:
    """SHADES colours from light to dark, in one hue."""
    corners = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in RAMP])
    at = np.linspace(0, len(RAMP) - 1, SHADES)
    channels = [np.rint(np.interp(at, range(len(RAMP)), corners[:, j])).astype(int) for j in range(3)]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in zip(*channels, strict=True)]


def map_plot(coordinates: np.ndarray) -> dict:
    """The map without its cells, which the page's script adds: `points` is their source, `colours` their mapper.

    Args:
        coordinates: Of the cells on the map, [n, 2].

    Returns:
        The plot as an item for Bokeh's `embed_item`.
    """
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    half = (0.5 + MARGIN) * max(float((high - low).max()), 1e-6)  # of both axes: the map is a square
    middle = (low + high) / 2
    x, y = (Range1d(float(m - half), float(m + half), name=axis) for m, axis in zip(middle, "xy", strict=True))
    plot = empty_plot(x, y, name="map", tools="pan,box_zoom,reset,save", output_backend="webgl")
    plot.update(width=MAP_WIDTH, aspect_ratio=1, sizing_mode="scale_width")
    wheel = WheelZoomTool(modifiers="ctrl")  # the wheel alone scrolls the page
    plot.add_tools(wheel)
    plot.toolbar.active_scroll = wheel
    plot.axis.visible = False
    source = ColumnDataSource({key: [] for key in ("x", "y", "code", "cluster", "value")}, name="points")
    mapper = LinearColorMapper(palette=number_palette(), low=0, high=1, name="colours", nan_color="#d5d9df")
    size = float(np.clip(500 / np.sqrt(max(len(coordinates), 1)), 2, 9))
    fill = {"field": "code", "transform": mapper}
    dots = plot.scatter("x", "y", source=source, size=size, fill_color=fill, fill_alpha=0.85, line_color=None)
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[("cluster", "@cluster"), ("value", "@value")], limit=1))
    return embed_plot(plot)


def marker_plot(clusters: list[str], genes: list[str], values: GeneValues, columns: list[int]) -> dict:
    """Markers by cluster: a dot's size is the share of cells with the gene, its colour the mean.

    Args:
        clusters: Names of the K clusters.
        genes: Names of the genes on the axis.
        values: Values by cluster, of these and other genes.
        columns: Position of each gene in `values`.

    Returns:
        The plot as an item for Bokeh's `embed_item`.
    """
    means, shares = values.means[:, columns], values.shares[:, columns]
    relative = means / np.maximum(means.max(axis=0, keepdims=True), 1e-12)
    place = np.indices(means.shape).reshape(2, -1)
    source = ColumnDataSource(
        {
            "gene": [genes[j] for j in place[1]],
            "cluster": [clusters[i] for i in place[0]],
            "size": np.round(DOT * np.sqrt(shares.ravel()), 3).tolist(),
            "colour": np.round(relative.ravel(), 4).tolist(),
            "share": [f"{100 * share:.1f} %" for share in shares.ravel()],
            "mean": [f"{mean:.3g}" for mean in means.ravel()],
        }
    )
    plot = empty_plot(genes, clusters[::-1], name="markers", tools="save", x_axis_location="above")
    longest = max(map(len, clusters), default=1)
    plot.update(width=CELL * len(genes) + 8 * longest + 70, height=CELL * len(clusters) + 110)
    plot.xaxis.major_label_orientation = 1.1
    plot.yaxis.axis_label = "cluster"
    mapper = LinearColorMapper(palette=number_palette(), low=0, high=1)
    fill = {"field": "colour", "transform": mapper}
    plot.scatter("gene", "cluster", source=source, size="size", fill_color=fill, line_color="#9aa5b1", line_width=0.5)
    tips = [("gene", "@gene"), ("cluster", "@cluster"), ("cells with a count", "@share"), ("mean", "@mean")]
    plot.add_tools(HoverTool(tooltips=tips))
    return embed_plot(plot)


def empty_plot(x_range: object, y_range: object, **options: object) -> figure:
    """A plot in the page's look; options are those of Bokeh's `figure`."""
    plot = figure(x_range=x_range, y_range=y_range, toolbar_location="right", **options)
    plot.toolbar.logo = None
    plot.grid.grid_line_color = None
    plot.outline_line_color = "#cfd6de"
    plot.axis.axis_line_color = plot.axis.major_tick_line_color = plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_color = plot.axis.axis_label_text_color = INK
    plot.axis.major_label_text_font_size = "12px"
    return plot


def embed_plot(plot: Model) -> dict:
    """A plot as Bokeh's item for a page, with identifiers that do not depend on earlier plots of the process."""
    text = json.dumps(json_item(plot, plot.name))
    names: dict[str, str] = {}
    return json.loads(re.sub(r'"p\d+"', lambda match: names.setdefault(match[0], f'"{plot.name}-{len(names)}"'), text))
