"""The figure of the appendix on speed, from the results of `make bench`: one dot for each round, the median a line."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from gmvae.thesis.figures import style

PROGRAMS = {"scvi": "scvi-tools", "float32": "ours", "bfloat16": "ours, bf16"}


def draw_speed(tables: dict[str, pd.DataFrame], output: Path) -> None:
    """Draw six panels: time against scvi-tools, of ten seeds, of bfloat16, share of products, time and memory by size.

    Args:
        tables: The benchmarks' tables by name: peer, seeds, precision, ceiling and growth.
        output: The .pdf to write; the .svg gets the same name.
    """
    figure = style.empty_figure(4.2)
    grid = figure.subplots(2, 3)
    growth = tables["growth"]
    plot_against_peer(grid[0, 0], tables["peer"])
    plot_ratios(grid[0, 1], tables["seeds"], "10", "1", "time of 10 seeds / of one")
    plot_ratios(grid[0, 2], tables["precision"], "float32", "bfloat16", "time in float32 / bfloat16")
    plot_shares(grid[1, 0], tables["ceiling"])
    plot_growth(grid[1, 1], growth.assign(value=1e6 * seconds_per_row(growth)), "microseconds per cell")
    plot_growth(grid[1, 2], growth.assign(value=growth["megabytes"] / 1024), "peak memory, GiB")
    for axes, letter in zip(grid.ravel(), "abcdef", strict=True):
        axes.set_title(f"({letter})", loc="left", size=8)
    style.save_figure(figure, output)


def seconds_per_row(table: pd.DataFrame) -> pd.Series:
    """Seconds per row shown to a seed."""
    return table["seconds"] / table["rows"]


def plot_rounds(axes: Axes, place: float, values: np.ndarray, colour: str) -> None:
    """The values [n] of all rounds as dots side by side, in the middle at `place`, and their median as a line."""
    beside = place + 0.24 * np.linspace(-1, 1, len(values)) if len(values) > 1 else np.array([place])
    axes.plot(beside, values, linestyle="none", marker="o", markersize=3, mew=0, alpha=0.7, color=colour)
    axes.plot([place - 0.34, place + 0.34], [np.median(values)] * 2, color="black")


def plot_against_peer(axes: Axes, table: pd.DataFrame) -> None:
    """Seconds of an epoch of 10,000 cells, by program, on one thread and on two."""
    table = table.assign(epoch=1e4 * seconds_per_row(table))
    threads, places = sorted(table["threads"].unique()), []
    for i, n in enumerate(threads):
        for j, program in enumerate(PROGRAMS):
            rounds = table[(table["threads"] == n) & (table["case"] == program)]
            plot_rounds(axes, 3.6 * i + j, rounds["epoch"].to_numpy(), style.colour(j))
            places.append((3.6 * i + j, f"{PROGRAMS[program]}, {n}"))
    axes.set_xticks([place for place, _ in places], [name for _, name in places], rotation=90, size=7)
    axes.set_ylabel("seconds per epoch", size=8)
    axes.set_yscale("log")  # while another program uses the machine, a round may take many times as long
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def plot_ratios(axes: Axes, table: pd.DataFrame, numerator: str, denominator: str, label: str) -> None:
    """The ratio of the times of two cases within each round, for each model and dataset."""
    seconds = table.assign(value=seconds_per_row(table)).pivot(index=["of", "round"], columns="case", values="value")
    ratio = seconds[numerator] / seconds[denominator]
    names = list(dict.fromkeys(table["of"]))
    for i, name in enumerate(names):
        plot_rounds(axes, i, ratio[name].to_numpy(), style.colour(0))
    axes.set_xticks(range(len(names)), [style.mathtext(name) for name in names], rotation=90, size=7)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylabel(label, size=8)
    axes.set_ylim(0)


def plot_shares(axes: Axes, table: pd.DataFrame) -> None:
    """The share of the training time that matrix products alone take, for each run."""
    share = table["product_seconds"] / table["seconds"]
    names = (table["of"] + ", " + table["case"]).str.replace("bfloat16", "bf16").str.replace("float32, ", "")
    names = names.str.replace(", float32", "")
    axes.barh(range(len(table)), share, height=0.6, color=style.colour(0))
    axes.set_yticks(range(len(table)), [style.mathtext(name) for name in names], size=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("products' share of the time", size=8)


def plot_growth(axes: Axes, table: pd.DataFrame, label: str) -> None:
    """The column `value` of each round over the number of cells."""
    for i, (_, rounds) in enumerate(table.groupby(table["case"].astype(int))):
        plot_rounds(axes, i, rounds["value"].to_numpy(), style.colour(0))
    sizes = sorted(table["case"].astype(int).unique())
    axes.set_xticks(range(len(sizes)), [f"$10^{round(np.log10(size))}$" for size in sizes])
    axes.set_xlim(-0.6, len(sizes) - 0.4)
    axes.set_xlabel("cells", size=8)
    axes.set_ylabel(label, size=8)
    axes.set_ylim(0)
