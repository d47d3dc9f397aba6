"""Training, term by term: the median over seeds and the band between the least and the greatest."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style

NOT_DRAWN = ("seed", "epoch", "phase", "learning_rate", "step")
COLUMNS = 5
LINE = 1.2  # inches: height of a line of panels
LAST = ("label", "loss", "occupancy")
WHOLE = ("label", "occupancy")
SETTLED = 0.5  # share of the epochs after which a term counts as settled
ROOM = 4  # how many times the settled values' range the axis may reach beyond them


def draw(output: Path, task: str, names: dict, histories: list[Path], trained: list[str]) -> None:
    """Draw every term of the objective, the loss and the components in use over the epochs, one line per model.

    `trained` names the models in the order of `histories`. A dotted line marks where a model's training changes phase.
    """
    if not histories:
        raise Refused(f"task {task} trains no model: leave the figure `curves` out for it in config.yaml")
    runs = {model: history(path) for path, model in zip(histories, trained, strict=True)}
    style.save_figure(page(runs, names), output)


def history(path: Path) -> pd.DataFrame:
    """A run's history with the epochs counted on through its phases."""
    table = pd.read_csv(path)
    missing = {"seed", "epoch", "phase"} - set(table.columns)
    if missing or table.empty:
        raise Refused(f"{path} lacks {', '.join(sorted(missing)) or 'rows'}: delete it and run the step `train` again")
    again = table.groupby("seed")["epoch"].diff().fillna(1) <= 0  # a phase that counts from its own start
    if again.any():
        table["epoch"] = table.groupby("seed").cumcount() + table["epoch"].iloc[0]
    return table


def page(runs: dict[str, pd.DataFrame], names: dict) -> Figure:
    """The figure: a panel per term, models told apart by colour and line."""
    terms = drawn(runs)
    n_columns = min(COLUMNS, -(-len(terms) // 2)) if len(terms) > 3 else len(terms)
    n_lines = -(-len(terms) // n_columns)
    key = {
        style.text(style.display_name(names, model)): Line2D([], [], color=style.colour(i), linestyle=style.line(i))
        for i, model in enumerate(runs)
    }
    if any(changes(run) for run in runs.values()):
        key["change of phase"] = Line2D([], [], color=style.GREY, linestyle=":", linewidth=0.8)
    n_keys = max(1, min(len(key), int(style.WIDTH / (style.letter(8) * max(map(len, key)) + 0.45))))
    figure = style.canvas(LINE * n_lines + 0.18 * -(-len(key) // n_keys) + 0.4)
    grid = figure.subplots(n_lines, n_columns, squeeze=False).ravel()
    for axes, term in zip(grid, terms, strict=False):
        panel(axes, runs, term)
        axes.set_title(style.text(style.display_name(names, term)), size=8)
    for axes in grid[len(terms) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(terms) - n_columns) : len(terms)]:
        axes.set_xlabel("epoch", size=8)
    figure.legend(key.values(), key.keys(), loc="outside lower center", ncols=n_keys, handlelength=2)
    return figure


def drawn(runs: dict[str, pd.DataFrame]) -> list[str]:
    """The columns that have a panel: terms that are anything but 0 somewhere, then what is made of them."""
    columns = dict.fromkeys(column for run in runs.values() for column in run.columns if column not in NOT_DRAWN)
    used = [column for column in columns if any(run[column].any() for run in runs.values() if column in run)]
    return sorted(used, key=lambda column: LAST.index(column) if column in LAST else -1)


def panel(axes: Axes, runs: dict[str, pd.DataFrame], term: str) -> None:
    """One term of all models that have it."""
    bands = []
    for i, run in enumerate(runs.values()):
        if term not in run or not run[term].any():
            continue
        band = run.groupby("epoch")[term].agg(["min", "median", "max"])
        axes.fill_between(band.index, band["min"], band["max"], color=style.colour(i), alpha=0.2, lw=0)
        axes.plot(band.index, band["median"], color=style.colour(i), linestyle=style.line(i))
        for epoch in changes(run):
            axes.axvline(epoch, color=style.colour(i), linestyle=":", linewidth=0.6)
        bands.append(band)
    low, high = limits(bands, np.inf if term in WHOLE else ROOM)
    margin = 0.06 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)
    axes.ticklabel_format(axis="y", scilimits=(-3, 4))
    axes.tick_params(labelsize=7)


def limits(bands: list[pd.DataFrame], room: float) -> tuple[float, float]:
    """What the axis spans: all values, but of a wild start only as much as leaves the settled values legible."""
    settled = pd.concat([band.iloc[int(SETTLED * len(band)) :] for band in bands])
    everything = pd.concat(bands)
    low, high = settled["min"].min(), settled["max"].max()
    reach = room * (high - low) if high > low else np.inf
    return max(everything["min"].min(), low - reach), min(everything["max"].max(), high + reach)


def changes(run: pd.DataFrame) -> list[float]:
    """Where, between which epochs, the first seed's training goes from one phase to the next."""
    one = run[run["seed"] == run["seed"].iloc[0]].sort_values("epoch")
    changed = (one["phase"] != one["phase"].shift()).to_numpy()
    changed[0] = False
    return [(one["epoch"].iloc[i] + one["epoch"].iloc[i - 1]) / 2 for i in np.flatnonzero(changed)]


if __name__ == "__main__":
    run_step(draw)
