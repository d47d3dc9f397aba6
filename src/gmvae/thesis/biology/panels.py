"""Figures of clusters: their marker genes, the types in them, how sure they are, conditions, and genes that change."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmvae.thesis.figures import style
from gmvae.thesis.typeset import shorten_all

MOST_GENES = 45  # columns of the dot plot
MOST_CLUSTERS = 45  # its rows
MOST_NUMBERS = 18  # of clusters below a heat map; of more, every second or third is named
MOST_CHANGED = 36  # genes in the figure of changes
MOST_TYPES = 3  # panels of predicted changes: the others look alike
SMALL = 6.5  # size of letters of gene names, in points
DARK = 0.6  # value of a cell of a heat map from which its number is white


def marker_figure(dots: pd.DataFrame, clusters: pd.DataFrame) -> Figure:
    """The dot plot: how many cells of each cluster have a gene (size), and how much of it (colour).

    Args:
        dots: Rows of dots.csv: cluster, gene, marker_of, share, mean.
        clusters: Rows of clusters.csv: cluster, cells, label.
    """
    rows = clusters.nlargest(MOST_CLUSTERS, "cells").sort_index()
    names = rows["cluster"].astype(str).tolist()
    each = max(1, min(3, MOST_GENES // max(1, len(names))))
    chosen = dots[dots["marker_of"].astype(str).isin(names)].drop_duplicates("gene")
    genes = chosen.groupby("marker_of", sort=False).head(each)["gene"].tolist()
    figure = style.empty_figure(max(2.2, 1.25 + 0.19 * len(names)))
    axes = figure.subplots()
    shown = dots[dots["gene"].isin(genes) & dots["cluster"].astype(str).isin(names)]
    largest = shown.groupby("gene")["mean"].transform("max").clip(lower=1e-9)
    x, y = shown["gene"].map(genes.index), shown["cluster"].astype(str).map(names.index)
    points = axes.scatter(x, y, s=40 * shown["share"], c=shown["mean"] / largest, cmap="viridis_r", vmin=0, vmax=1)
    axes.set_xticks(range(len(genes)), [style.mathtext(gene) for gene in shorten_all(genes, 14)])
    axes.tick_params(axis="x", rotation=90, labelsize=SMALL)
    axes.set_yticks(range(len(names)), row_names(rows), fontsize=7)
    axes.set(xlim=(-0.7, len(genes) - 0.3), ylim=(len(names) - 0.4, -0.6))
    bar = figure.colorbar(points, ax=axes, pad=0.01, aspect=25, ticks=[0, 1])
    bar.set_label("mean expression", size=7)
    bar.ax.tick_params(labelsize=7)
    marks = [style.legend_dot(marker="o", color=style.GREY, markersize=(40 * share) ** 0.5) for share in (0.25, 0.5, 1)]
    words = ["a quarter of the cells", "half", "all"]
    figure.legend(marks, words, loc="outside lower center", ncols=3)
    return figure


def row_names(clusters: pd.DataFrame) -> list[str]:
    """The number of each cluster with the majority label of its cells, where there are labels."""
    labels = shorten_all(clusters["label"].fillna("").astype(str).tolist(), 24)
    return [style.mathtext(f"{label}  {name}".strip()) for label, name in zip(labels, clusters["cluster"], strict=True)]


def type_figure(confusion: pd.DataFrame, clusters: list[str], calibration: pd.DataFrame) -> Figure:
    """The share of each type in each cluster, and beside it how often cells are right, by the model's certainty.

    Args:
        confusion: Rows of confusion.csv: label, cluster, split, cells.
        clusters: Names of the clusters.
        calibration: Rows of calibration.csv.
    """
    shares, totals = type_shares(confusion, clusters)
    figure = style.empty_figure(max(2.2, 0.7 + 0.18 * len(shares)))
    left, right = figure.subplots(1, 2, width_ratios=(1.9, 1))
    names = shorten_all(list(shares.index), 24)
    labels = [f"{name} ({total:,})" for name, total in zip(names, totals, strict=True)]
    draw_heat_map(left, shares.to_numpy(), labels, clusters, numbers=len(shares) <= 20 and len(clusters) <= 14)
    left.set_xlabel("cluster")
    draw_reliability(right, calibration)
    return figure


def type_shares(confusion: pd.DataFrame, clusters: list[str]) -> tuple[pd.DataFrame, pd.Series]:
    """The share of each type in each cluster, and the number of cells of each type.

    Args:
        confusion: Rows of confusion.csv: label, cluster, split, cells.
        clusters: Names of the clusters, the columns of the shares.
    """
    table = confusion.assign(cluster=confusion["cluster"].astype(str))
    table = table.pivot_table(index="label", columns="cluster", values="cells", aggfunc="sum", fill_value=0)
    table = table.reindex(columns=clusters, fill_value=0)
    return table.div(table.sum(axis=1), axis=0), table.sum(axis=1)


def draw_heat_map(axes: Axes, values: np.ndarray, rows: list[str], columns: list[str], numbers: bool) -> None:
    """Shares as shades, with their percents where there is room."""
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    step = -(-len(columns) // MOST_NUMBERS)
    axes.set_xticks(range(0, len(columns), step), columns[::step], fontsize=SMALL)
    axes.set_yticks(range(len(rows)), [style.mathtext(row) for row in rows], fontsize=SMALL)
    axes.tick_params(length=0)
    if numbers:
        for i, j in np.argwhere(values >= 0.01):
            tint = "white" if values[i, j] > DARK else "black"
            axes.text(j, i, f"{100 * values[i, j]:.0f}", size=6, ha="center", va="center", color=tint)


def draw_reliability(axes: Axes, calibration: pd.DataFrame) -> None:
    """Accuracy against certainty, one dot a bin, larger where it has more cells."""
    known = calibration[calibration["cells"] > 0]
    axes.plot([0, 1], [0, 1], **style.DASHED)
    axes.plot(known["confidence"], known["accuracy"], color=style.colour(0))
    axes.scatter(known["confidence"], known["accuracy"], s=60 * (known["cells"] / known["cells"].max()) ** 0.5 + 4)
    axes.set(xlim=(0, 1.03), ylim=(0, 1.05), xlabel="probability of the type", ylabel="share of cells of that type")
    axes.set_box_aspect(1)


def composition_figure(composition: pd.DataFrame, clusters: list[str]) -> Figure:
    """What share of each cluster each condition and batch has; the last bar is all cells.

    Args:
        composition: Rows of composition.csv.
        clusters: Names of the clusters.
    """
    kinds = list(composition["kind"].unique())
    figure = style.empty_figure(1.0 + 0.16 * (len(clusters) + 1))
    grid = figure.subplots(1, len(kinds), squeeze=False)[0]
    for axes, kind in zip(grid, kinds, strict=True):
        table = composition[composition["kind"] == kind]
        values = sorted(table["value"].astype(str).unique())
        shares = table.assign(cluster=table["cluster"].astype(str), value=table["value"].astype(str))
        shares = shares.pivot_table(index="cluster", columns="value", values="share").reindex(clusters).fillna(0)
        overall = table.assign(value=table["value"].astype(str)).drop_duplicates("value").set_index("value")["overall"]
        shares.loc["all"] = overall
        left = np.zeros(len(shares))
        for i, value in enumerate(values):
            axes.barh(range(len(shares)), shares[value], left=left, color=style.colour(i), height=0.8)
            left += shares[value].to_numpy()
        axes.set_yticks(range(len(shares)), list(shares.index), fontsize=7)
        axes.set(xlim=(0, 1), ylim=(len(shares) - 0.5, -0.5), xlabel=f"share of each {kind}", ylabel="cluster")
        dots = [style.legend_dot(color=style.colour(i), marker="s", markersize=5) for i in range(len(values))]
        if len(values) <= 8:
            labels = [style.mathtext(name) for name in shorten_all(values, 22)]
            axes.legend(dots, labels, fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def change_figure(genes: pd.DataFrame) -> Figure:
    """The change of the genes that change most, in every type.

    Args:
        genes: Rows of changed_genes.csv; the condition with most changes is shown.
    """
    condition = genes.groupby("condition")["changes"].sum().idxmax()
    shown = genes[genes["condition"] == condition]
    largest = shown[shown["changes"]].assign(size=lambda rows: rows["real"].abs()).groupby("gene")["size"].max()
    table = shown.pivot_table(index="type", columns="gene", values="real")
    table = table[largest.nlargest(MOST_CHANGED).index]
    table = table[table.mean().sort_values(ascending=False).index]
    figure = style.empty_figure(max(2.4, 1.1 + 0.18 * len(table)))
    axes = figure.subplots()
    limit = max(1e-9, float(table.abs().to_numpy().max()))
    image = axes.imshow(table, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(table.shape[1]), [style.mathtext(gene) for gene in shorten_all(list(table), 14)])
    axes.tick_params(axis="x", rotation=90, labelsize=SMALL, length=0)
    names = shorten_all([str(name) for name in table.index], 24)
    axes.set_yticks(range(len(table)), [style.mathtext(name) for name in names], fontsize=7)
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=20, ticks=[-limit, 0, limit], format="%.1f")
    bar.set_label(style.mathtext("change of log expression"), size=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def prediction_figure(genes: pd.DataFrame, types: pd.DataFrame) -> Figure:
    """Real and predicted change of every gene, a panel for each of the types with most cells.

    Args:
        genes: Rows of changed_genes.csv; the condition with most changes is shown.
        types: Rows of changes.csv.
    """
    condition = genes.groupby("condition")["changes"].sum().idxmax()
    of_condition = types[types["condition"] == condition]
    names = of_condition.nlargest(MOST_TYPES, "n_condition")["type"].astype(str).tolist()
    n_columns = min(3, len(names))
    n_rows = -(-len(names) // n_columns)
    figure = style.empty_figure(1.65 * n_rows + 0.3)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, name in zip(grid, names, strict=False):
        table = genes[(genes["type"].astype(str) == name) & (genes["condition"] == condition)]
        axes.axline((0, 0), slope=1, **style.DASHED)
        for changes, look in ((False, style.GREY), (True, style.colour(5))):
            part = table[table["changes"] == changes]
            axes.plot(
                part["real"], part["predicted"], "o", markersize=1.8, color=look, markeredgewidth=0, rasterized=True
            )
        named = table[table["changes"]].nlargest(3, "real")
        apart = (named["predicted"].diff().abs().fillna(1) > 0.08 * named["real"].max()).to_numpy()
        for row in named[apart].itertuples():
            axes.annotate(style.mathtext(row.gene), (row.real, row.predicted), size=6, ha="right", va="bottom")
        axes.set_title(style.mathtext(shorten_all([name], 26)[0]), size=8)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    figure.supxlabel("real change of log expression", size=8)
    figure.supylabel("predicted change", size=8)
    return figure
