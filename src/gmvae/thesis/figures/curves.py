"""Training, term by term: the median over seeds and the band between the smallest and the largest value."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style
from gmvae.thesis.typeset import divergence_symbol

NO_TERMS = ("seed", "epoch", "phase", "learning_rate", "step")  # columns of a history without a panel
LAST_TERMS = ("label", "loss", "occupancy")  # their panels come last
FULL_RANGE = ("label", "occupancy")  # their panels show all values
COLUMNS = 4
ROW_HEIGHT = 1.45  # inches, of a row of panels
LONGER = 2  # a model that trains more than so many times as long as the median one does not stretch the axis
SETTLED = 0.5  # share of the epochs after which a term counts as settled
MAX_REACH = 4  # how far the axis may reach beyond the settled values, in multiples of their range


def draw(output: Path, task: str, names: dict, histories: list[Path], trained: list[str]) -> None:
    """Draw every term of the objective over the epochs, a line for each model.

    The loss and the number of components in use have panels too. A line is the median over seeds, in a band from the
    smallest to the largest value. A dotted line marks where a model's training changes phase.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose models are shown.
        names: Display names of models and terms by their keys.
        histories: history.csv of each trained model.
        trained: The models' keys, in the order of `histories`.

    Raises:
        Refused: The task trains no model, or a history lacks columns or rows.
    """
    if not histories:
        raise Refused(f"task {task} trains no model: leave the figure `curves` out for it in config.yaml")
    runs = {model: read_history(path) for path, model in zip(histories, trained, strict=True)}
    style.save_figure(curve_figure(runs, names), output)


def read_history(path: Path) -> pd.DataFrame:
    """A run's history, with epochs that count on through all phases.

    Args:
        path: history.csv; one row for each seed and epoch.

    Raises:
        Refused: The file has no rows, or lacks one of the columns seed, epoch, phase.
    """
    table = pd.read_csv(path)
    missing = {"seed", "epoch", "phase"} - set(table.columns)
    if missing or table.empty:
        raise Refused(f"{path} lacks {', '.join(sorted(missing)) or 'rows'}: delete it and run the step `train` again")
    restarts = table.groupby("seed")["epoch"].diff().fillna(1) <= 0  # a phase that counts from its own start
    if restarts.any():
        table["epoch"] = table.groupby("seed").cumcount() + table["epoch"].iloc[0]
    return table


def curve_figure(runs: dict[str, pd.DataFrame], names: dict) -> Figure:
    """One panel for each term; models differ in colour and line style.

    Args:
        runs: The history of each model.
        names: Display names of models and terms by their keys.
    """
    terms = plotted_terms(runs)
    n_columns = min(COLUMNS, -(-len(terms) // 2)) if len(terms) > 3 else len(terms)
    n_rows = -(-len(terms) // n_columns)
    entries = legend_entries(runs, names)
    n_entries = max(1, min(len(entries), int(style.WIDTH / (style.letter_width(8) * max(map(len, entries)) + 0.45))))
    figure = style.empty_figure(ROW_HEIGHT * n_rows + 0.18 * -(-len(entries) // n_entries) + 0.4)
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, term in zip(grid, terms, strict=False):
        plot_term(axes, runs, term)
        is_divergence = term.startswith("kl_")
        title = divergence_symbol(term) if is_divergence else style.mathtext(style.display_name(names, term))
        axes.set_title(title, size=8)
    for axes in grid[len(terms) :]:
        axes.set_axis_off()
    last = last_epoch(runs)
    for axes in grid[: len(terms)]:
        axes.set_xlim(right=last * 1.02)
    for axes in grid[max(0, len(terms) - n_columns) : len(terms)]:
        axes.set_xlabel("epoch", size=8)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=n_entries, handlelength=2)
    return figure


def last_epoch(runs: dict[str, pd.DataFrame]) -> float:
    """Where the axis of epochs ends: at the longest training that is at most LONGER times as long as the median one."""
    ends = np.array([run["epoch"].max() for run in runs.values()])
    return max(1, ends[ends <= LONGER * np.median(ends)].max())


def legend_entries(runs: dict[str, pd.DataFrame], names: dict) -> dict[str, Line2D]:
    """A line by label: every model, and the change of phase where there is one."""
    entries = {
        style.mathtext(style.display_name(names, model)): Line2D(
            [], [], color=style.colour(i), linestyle=style.line_style(i)
        )
        for model, i in style.model_looks(list(runs)).items()
    }
    if any(phase_changes(run) for run in runs.values()):
        entries["change of phase"] = Line2D([], [], color=style.GREY, linestyle=":", linewidth=0.8)
    return entries


def plotted_terms(runs: dict[str, pd.DataFrame]) -> list[str]:
    """The columns with a panel: those that are not 0 everywhere, LAST_TERMS at the end."""
    columns = dict.fromkeys(column for run in runs.values() for column in run.columns if column not in NO_TERMS)
    used = [column for column in columns if any(run[column].any() for run in runs.values() if column in run)]
    return sorted(used, key=lambda column: LAST_TERMS.index(column) if column in LAST_TERMS else -1)


def plot_term(axes: Axes, runs: dict[str, pd.DataFrame], term: str) -> None:
    """One term of all models that have it.

    The axis needs the bands before they are drawn, and pandas makes one in a millisecond: seaborn's lineplot, epoch by
    epoch, takes seconds for each panel.
    """
    bands = []
    for i, run in zip(style.model_looks(list(runs)).values(), runs.values(), strict=True):
        if term not in run or not run[term].any():
            continue
        band = run.groupby("epoch")[term].agg(["min", "median", "max"])
        axes.fill_between(band.index, band["min"], band["max"], color=style.colour(i), alpha=0.2, lw=0)
        axes.plot(band.index, band["median"], color=style.colour(i), linestyle=style.line_style(i))
        for epoch in phase_changes(run):
            axes.axvline(epoch, color=style.colour(i), linestyle=":", linewidth=0.6)
        bands.append(band)
    low, high = legible_range(bands, np.inf if term in FULL_RANGE else MAX_REACH)
    margin = 0.06 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)
    axes.ticklabel_format(axis="y", scilimits=(-3, 4))
    axes.tick_params(labelsize=7)


def legible_range(bands: list[pd.DataFrame], max_reach: float) -> tuple[float, float]:
    """The range of all values, but of a wild start only as much as leaves the settled values legible.

    Args:
        bands: Columns min and max, one row for each epoch, of each model.
        max_reach: How far the axis may reach beyond the settled values, in multiples of their range.
    """
    settled = pd.concat([band.iloc[int(SETTLED * len(band)) :] for band in bands])
    everything = pd.concat(bands)
    low, high = settled["min"].min(), settled["max"].max()
    reach = max_reach * (high - low) if high > low else np.inf
    return max(everything["min"].min(), low - reach), min(everything["max"].max(), high + reach)


def phase_changes(run: pd.DataFrame) -> list[float]:
    """Where, halfway between two epochs, the first seed's training goes from one phase to the next."""
    first_seed = run[run["seed"] == run["seed"].iloc[0]].sort_values("epoch")
    is_change = (first_seed["phase"] != first_seed["phase"].shift()).to_numpy()
    is_change[0] = False
    epoch = first_seed["epoch"].to_numpy()
    return [(epoch[i] + epoch[i - 1]) / 2 for i in np.flatnonzero(is_change)]


if __name__ == "__main__":
    run_step(draw)
