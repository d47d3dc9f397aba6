"""The predicted and the real change of every gene, a panel for each model of a task that holds out a type of cells."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style
from gmvae.thesis.typeset import shorten

COLUMNS = 3  # panels beside each other
PREDICTED = "predicted_change_"
N_NAMED = 2  # genes with a name on their dot: those that differ most


def draw(output: Path, task: str, names: dict, profiles: list[Path], responding: list[str]) -> None:
    """Draw each gene's predicted change against its real change, by model.

    The predicted change is the mean over seeds. A model that converts in two ways has two panels. The control cells
    are split once: predictions start from one half, and the real change is the difference to the other half.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose models are shown.
        names: Display names of models by their keys.
        profiles: profiles.csv of each model.
        responding: The models' keys, in the order of `profiles`.

    Raises:
        Refused: A profiles.csv has no predicted change.
    """
    tables = {model: pd.read_csv(path) for path, model in zip(profiles, responding, strict=True)}
    panels = {}
    for model, table in tables.items():
        change_by_way = mean_predicted_changes(table)
        if not change_by_way:
            raise Refused(f"profiles.csv of {model} on {task} has no predicted change; run the step `respond` again")
        name = style.display_name(names, model)
        for way, change in change_by_way.items():
            panels[name if len(change_by_way) == 1 else f"{name}, through {way}"] = (table, change)
    style.save_figure(response_figure(panels), output)


def mean_predicted_changes(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """The predicted change of each gene, the mean over seeds, for each way of conversion.

    Args:
        table: Columns predicted_change_{seed} (through w), predicted_change_z_{seed} (through z); one row a gene. Those
            of other forms of the prediction are not drawn.

    Returns:
        The changes [D] by way, "w" or "z"; ways without a column are left out.
    """
    forms = {"w": rf"{PREDICTED}-?\d+", "z": rf"{PREDICTED}z_-?\d+"}
    ways = {way: [column for column in table.columns if re.fullmatch(form, column)] for way, form in forms.items()}
    return {way: table[chosen].mean(axis=1).to_numpy() for way, chosen in ways.items() if chosen}


def response_figure(panels: dict[str, tuple[pd.DataFrame, np.ndarray]]) -> Figure:
    """Panels in rows of three on common axes.

    Args:
        panels: By title, a table with the columns gene, change and differential, and the predicted change [D].
    """
    n_rows = -(-len(panels) // COLUMNS)
    figure = style.empty_figure(1.75 * n_rows + 0.5)
    grid = figure.subplots(n_rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for i, (axes, (title, (table, change))) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        plot_changes(axes, table, change)
        axes.set_title(style.wrap_text(title, 1.7, 8), size=8)
        if i % COLUMNS == 0:
            axes.set_ylabel("predicted change")
        if i + COLUMNS >= len(panels):
            axes.set_xlabel("real change")
            axes.tick_params(labelbottom=True)
    entries = {
        "gene": style.legend_dot(**gene_dots(is_differential=False)),
        "one of the hundred that differ most": style.legend_dot(**gene_dots(is_differential=True)),
    }
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2)
    return figure


def plot_changes(axes: Axes, table: pd.DataFrame, predicted: np.ndarray) -> None:
    """A dot for each gene, the line where both changes agree, and the names of the genes that differ most."""
    real, rank = table["change"].to_numpy(), table["differential"].to_numpy()
    ends = [min(real.min(), 0), max(real.max(), 0)]
    axes.plot(ends, ends, color="0.6", linewidth=0.8, zorder=1)
    for is_differential in (False, True):
        genes = (rank > 0) == is_differential
        look = gene_dots(is_differential)
        axes.plot(real[genes], predicted[genes], linestyle="none", zorder=2 + is_differential, **look)
    for gene in np.flatnonzero((rank > 0) & (rank <= N_NAMED)):
        axes.annotate(
            style.mathtext(shorten(str(table["gene"][gene]), 20)),
            (real[gene], predicted[gene]),
            xytext=(-3, 0),
            textcoords="offset points",
            size=5,
            ha="right",
            va="center",
        )


def gene_dots(is_differential: bool) -> dict:
    """The look of the dots of genes, those that differ most or the others."""
    size = {"markersize": 2.2 if is_differential else 1.6, "markeredgewidth": 0, "alpha": 0.8, "rasterized": False}
    return {"marker": "o", "color": style.colour(5) if is_differential else style.GREY} | size


if __name__ == "__main__":
    run_step(draw)
