"""The predicted and the real change of every gene, a panel for each model of a task that holds out a type of cells."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style

COLUMNS = 3  # panels beside each other
PREDICTED = "predicted_change_"
NAMED = 2  # genes, the most different ones


def draw(output: Path, task: str, names: dict, profiles: list[Path], responding: list[str]) -> None:
    """Draw the change of each gene that every model predicts, its mean over seeds, against the real one.

    profiles: profiles.csv of each model of `responding`, in the same order. A model that converts in two ways has two
    panels. The control cells are split once: one half predicts, the real change is counted from the other.
    """
    found = {model: pd.read_csv(path) for path, model in zip(profiles, responding, strict=True)}
    panels = {}
    for model, table in found.items():
        by_way = changes(table)
        if not by_way:
            raise Refused(f"profiles.csv of {model} on {task} has no predicted change; run the step `respond` again")
        name = style.display_name(names, model)
        for way, change in by_way.items():
            panels[name if len(by_way) == 1 else f"{name}, through {way}"] = (table, change)
    style.save_figure(page(panels), output)


def changes(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """The predicted change [D] by way, w or z, the mean over seeds."""
    columns = [column for column in table.columns if column.startswith(PREDICTED)]
    through_z = [column for column in columns if column.startswith(f"{PREDICTED}z_")]
    rest = [column for column in columns if column not in through_z]
    return {way: table[some].mean(axis=1).to_numpy() for way, some in (("w", rest), ("z", through_z)) if some}


def page(panels: dict[str, tuple[pd.DataFrame, np.ndarray]]) -> Figure:
    """The figure: panels in lines of three on common axes."""
    lines = -(-len(panels) // COLUMNS)
    figure = style.canvas(1.75 * lines + 0.5)
    grid = figure.subplots(lines, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for place, (axes, (name, (table, change))) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        panel(axes, table, change)
        axes.set_title(style.wrap_text(name, 1.7, 8), size=8)
        if place % COLUMNS == 0:
            axes.set_ylabel("predicted change")
        if place + COLUMNS >= len(panels):
            axes.set_xlabel("real change")
            axes.tick_params(labelbottom=True)
    key = {
        "gene": Line2D([], [], linestyle="none", **look(False)),
        "one of the hundred that differ most": Line2D([], [], linestyle="none", **look(True)),
    }
    figure.legend(key.values(), key.keys(), loc="outside lower center", ncols=2)
    return figure


def panel(axes: Axes, table: pd.DataFrame, change: np.ndarray) -> None:
    """A dot per gene, the line where both changes agree, and the names of the genes that differ most."""
    real, rank = table["change"].to_numpy(), table["differential"].to_numpy()
    low, high = min(real.min(), 0), max(real.max(), 0)
    axes.plot([low, high], [low, high], color="0.6", linewidth=0.8, zorder=1)
    for chosen in (False, True):
        some = (rank > 0) == chosen
        axes.plot(real[some], change[some], linestyle="none", zorder=2 + chosen, **look(chosen))
    for gene in np.flatnonzero((rank > 0) & (rank <= NAMED)):
        at = (real[gene], change[gene])
        axes.annotate(
            style.text(str(table["gene"][gene])),
            at,
            xytext=(-3, 0),
            textcoords="offset points",
            size=5,
            ha="right",
            va="center",
        )


def look(chosen: bool) -> dict:
    """The dot of a gene, chosen or not."""
    size = {"markersize": 2.2 if chosen else 1.6, "markeredgewidth": 0, "alpha": 0.8, "rasterized": False}
    return {"marker": "o", "color": style.colour(5) if chosen else style.GREY} | size


if __name__ == "__main__":
    run_step(draw)
