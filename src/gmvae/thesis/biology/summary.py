"""The one figure of a task whose cells are not told in full: its clusters in the plane, and the types in them."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gmvae.thesis.biology.maps import POINTS
from gmvae.thesis.biology.panels import draw_heat_map, type_shares
from gmvae.thesis.figures import style
from gmvae.thesis.figures.scatter import Panel, draw_panel
from gmvae.thesis.typeset import shorten_all

HEIGHT = 2.25  # inches
ROW = 0.15  # inches, of a type in the heat map
MOST_TYPES = 24  # rows of the heat map
MOST_SHARES = 14  # clusters whose shares are written into the heat map


def summary_figure(cells: pd.DataFrame, confusion: pd.DataFrame, clusters: list[str]) -> Figure:
    """The cells by cluster, numbered, and where there are labels the share of each type in each cluster.

    Args:
        cells: Rows of cells.csv: cluster, umap_1, umap_2.
        confusion: Rows of confusion.csv: label, cluster, split, cells; none, and there is no heat map.
        clusters: Names of the clusters.
    """
    shares, totals = type_shares(confusion, clusters) if len(confusion) else (pd.DataFrame(), pd.Series(dtype=int))
    shares = shares.loc[totals.nlargest(MOST_TYPES).index.sort_values()] if len(shares) else shares
    figure = style.empty_figure(max(HEIGHT, 0.6 + ROW * len(shares)))
    grid = figure.subplots(1, 2, width_ratios=(1, 1.5))
    plane = cells[["umap_1", "umap_2"]].to_numpy(dtype=np.float64)
    numbers = cells["cluster"].astype(int).to_numpy()
    marks = [str(k) for k in range(numbers.max() + 1)]
    draw_panel(grid[0], Panel(plane, numbers, "clusters", "", marks), -(-len(cells) // POINTS), 8)
    if shares.empty:
        grid[1].set_axis_off()
        return figure
    names = shorten_all(list(shares.index), 24)
    rows = [f"{name} ({totals[label]:,})" for name, label in zip(names, shares.index, strict=True)]
    draw_heat_map(grid[1], shares.to_numpy(), rows, clusters, numbers=len(clusters) <= MOST_SHARES)
    grid[1].set_xlabel("cluster")
    grid[1].set_title("percent of each type in each cluster", size=8)
    return figure
