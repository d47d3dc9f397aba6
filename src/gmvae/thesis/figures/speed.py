"""The figure of the appendix on speed: what `make bench` measured, every round a dot, the median a line."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from gmvae.thesis.figures import style

PROGRAMS = {"scvi": "scvi-tools", "float32": "ours", "bfloat16": "ours, bf16"}


def draw_speed(tables: dict[str, pd.DataFrame], output: Path) -> None:
    """Draw six panels from the benchmarks' tables, by name: against scvi-tools, seeds, precision, products, growth."""
    figure = style.canvas(4.2)
    grid = figure.subplots(2, 3)
    against_peer(grid[0, 0], tables["peer"])
    ratio_panel(grid[0, 1], tables["seeds"], "10", "1", "time of 10 seeds / of one")
    ratio_panel(grid[0, 2], tables["precision"], "float32", "bfloat16", "time in float32 / bfloat16")
    plot_shares(grid[1, 0], tables["ceiling"])
    growth(grid[1, 1], tables["growth"].assign(value=1e6 * each_trial(tables["growth"])), "microseconds per cell")
    growth(grid[1, 2], tables["growth"].assign(value=tables["growth"]["megabytes"] / 1024), "peak memory, GiB")
    for axes, letter in zip(grid.ravel(), "abcdef", strict=True):
        axes.set_title(f"({letter})", loc="left", size=8)
    style.save_figure(figure, output)


def each_trial(table: pd.DataFrame) -> pd.Series:
    """Seconds per row shown to a seed."""
    return table["seconds"] / table["rows"]


def dots(axes: Axes, place: float, values: np.ndarray, colour: int) -> None:
    """The values [n] as dots at a place, side by side, and their median as a line."""
    beside = place + 0.24 * np.linspace(-1, 1, len(values)) if len(values) > 1 else np.array([place])
    axes.plot(beside, values, linestyle="none", marker="o", markersize=3, mew=0, alpha=0.7, color=style.colour(colour))
    axes.plot([place - 0.34, place + 0.34], [np.median(values)] * 2, color="black")


def against_peer(axes: Axes, table: pd.DataFrame) -> None:
    """Seconds of an epoch of 10,000 cells, by program, on one thread and on two."""
    table = table.assign(epoch=1e4 * each_trial(table))
    threads, places = sorted(table["threads"].unique()), []
    for i, n in enumerate(threads):
        for j, program in enumerate(PROGRAMS):
            of = table[(table["threads"] == n) & (table["case"] == program)]
            dots(axes, 3.6 * i + j, of["epoch"].to_numpy(), j)
            places.append((3.6 * i + j, f"{PROGRAMS[program]}, {n}"))
    axes.set_xticks([place for place, _ in places], [name for _, name in places], rotation=90, size=7)
    axes.set_ylabel("seconds per epoch", size=8)
    axes.set_yscale("log")  # a run that met a busy neighbour may take many times the others' time
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def ratio_panel(axes: Axes, table: pd.DataFrame, over: str, under: str, label: str) -> None:
    """The ratio of two cases within each round, for each model and data set."""
    wide = table.assign(each=each_trial(table)).pivot(index=["of", "round"], columns="case", values="each")
    ratio = wide[over] / wide[under]
    names = list(dict.fromkeys(table["of"]))
    for i, name in enumerate(names):
        dots(axes, i, ratio[name].to_numpy(), 0)
    axes.set_xticks(range(len(names)), [style.text(name) for name in names], rotation=90, size=7)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylabel(label, size=8)
    axes.set_ylim(0)


def plot_shares(axes: Axes, table: pd.DataFrame) -> None:
    """The share of the training's time that its products alone take, for each run."""
    share = table["product_seconds"] / table["seconds"]
    names = (table["of"] + ", " + table["case"]).str.replace("bfloat16", "bf16").str.replace("float32, ", "")
    names = names.str.replace(", float32", "")
    axes.barh(range(len(table)), share, height=0.6, color=style.colour(0))
    axes.set_yticks(range(len(table)), [style.text(name) for name in names], size=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("products' share of the time", size=8)


def growth(axes: Axes, table: pd.DataFrame, label: str) -> None:
    """A value of each run over the number of cells."""
    for i, (_, of) in enumerate(table.groupby(table["case"].astype(int))):
        dots(axes, i, of["value"].to_numpy(), 0)
    sizes = sorted(table["case"].astype(int).unique())
    axes.set_xticks(range(len(sizes)), [f"$10^{round(np.log10(size))}$" for size in sizes])
    axes.set_xlim(-0.6, len(sizes) - 0.4)
    axes.set_xlabel("cells", size=8)
    axes.set_ylabel(label, size=8)
    axes.set_ylim(0)
