"""Each latent in the plane, coloured by true class and by component."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import read_latent, run_clusters
from gmvae.metrics.scores import contingency, number_components
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import legends, style
from gmvae.thesis.figures.scatter import Panel, draw_panel, fill_row, pack_panels

# Number of panels in a row: size of the letters in points. The first that fits HEIGHT is used.
COLUMNS = {3: 8, 4: 8, 6: 7, 8: 6, 10: 5}
HEIGHT = 4.8  # inches: leaves half a page for another figure
POINTS = 40_000  # in the whole figure, so that a reader opens the PDF at once
CONTROLS = ("truth", "random")
# The models that are drawn where a task has some of them: one without a network, one with a round prior, and mixtures.
# More panels would be smaller and look alike.
SHOWN = ("pca", "vae", "idec", "vade", "gmdvae", "m2")
ALIKE = 0.99  # share of points from which components are the classes, and their panel would be the same again


def draw(
    output: Path, task: str, names: dict, data: Path, latents: list[Path], models: list[str], projection: Path
) -> None:
    """Draw each model's latents in the plane, by class and by component.

    The plane is the UMAP of the picked seed. A component has the colour of the class that it matches; components
    without a class have colours of their own. Models that share a latent share the panel of the classes. Controls are
    left out, and of a task with two or more models of SHOWN all others.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose models are shown.
        names: Display names of models by their keys.
        data: The task's dataset, an .h5ad.
        latents: latent.h5ad of each model.
        models: The models' keys, in the order of `latents`.
        projection: projection.csv, the coordinates u and v of each row of each model's picked seed.

    Raises:
        Refused: The task has no models but controls.
    """
    adata = load_dataset(data)
    table = pd.read_csv(projection, dtype={"row": str, "model": str})
    runs = {model: read_latent(path) for path, model in zip(latents, models, strict=True)}
    without_controls = [model for model in models if runs[model].uns.get("baseline") not in CONTROLS]
    if not without_controls:
        raise Refused(f"task {task}: no model but controls is left to draw; leave the figure `latents` out for it")
    groups = group_by_coordinates(table, choose_models(without_controls))
    blocks = [latent_panels(adata, table, {model: runs[model] for model in group}, names) for group in groups]
    blocks = [without_repeats(panels) for panels in blocks]
    classes = list(adata.obs["label"].cat.categories) if "label" in adata.obs else []
    style.save_figure(latent_figure(blocks, classes), output)


def choose_models(models: list[str]) -> list[str]:
    """The models of SHOWN among these, in their order; all of them where fewer than two are there."""
    chosen = [model for model in models if model in SHOWN]
    return chosen if len(chosen) > 1 else models


def group_by_coordinates(table: pd.DataFrame, models: list[str]) -> list[list[str]]:
    """The models in groups that share their coordinates, in the order of the first of each group.

    Args:
        table: Columns model, u and v.
        models: The models' keys.
    """
    groups = {}
    for model in models:
        points = table.loc[table["model"] == model, ["u", "v"]].to_numpy()
        groups.setdefault(points.tobytes(), []).append(model)
    return list(groups.values())


def latent_panels(
    adata: anndata.AnnData, table: pd.DataFrame, runs: dict[str, anndata.AnnData], names: dict
) -> list[Panel]:
    """The panels of models that share their coordinates: the classes, then each model's components where it has some.

    Args:
        adata: The dataset.
        table: Columns row, model, seed, u and v; row is a name in the dataset.
        runs: The latent of each model of the group.
        names: Display names of models by their keys.
    """
    first = next(iter(runs))
    coordinates = table[table["model"] == first]
    points = coordinates[["u", "v"]].to_numpy()
    rows = adata.obs_names.get_indexer(coordinates["row"])
    panels = []
    if "label" in adata.obs:
        label = adata.obs["label"].cat
        truth = label.codes.to_numpy()[rows]
        marks = class_marks(list(label.categories)) if len(label.categories) <= legends.MAX_NAMED else []
        panels.append(Panel(points, truth, style.display_name(names, first), "classes", marks))
    for model, run in runs.items():
        cluster = run_clusters(run, int(table.loc[table["model"] == model, "seed"].iloc[0]))
        if cluster is not None:
            groups = component_numbers(adata, cluster, int(run.uns["n_components"]))[cluster[rows]]
            panels.append(Panel(points, groups, style.display_name(names, model), "components", []))
    if not panels:
        panels.append(Panel(points, np.zeros(len(points), dtype=int), style.display_name(names, first), "", []))
    return panels


def without_repeats(panels: list[Panel]) -> list[Panel]:
    """The panels of one latent without components that are the classes: a second panel would show nothing new."""
    first = panels[0]
    return [first, *(panel for panel in panels[1:] if np.mean(panel.groups == first.groups) < ALIKE)]


def component_numbers(adata: anndata.AnnData, cluster: np.ndarray, n_components: int) -> np.ndarray:
    """The colour number of each component [K]: the class that it matches on all rows, else one beyond the classes."""
    if "label" not in adata.obs:
        return np.arange(n_components)
    label = adata.obs["label"].cat
    return number_components(contingency(label.codes.to_numpy(), cluster, len(label.categories), n_components))


def class_marks(classes: list[str]) -> list[str]:
    """The text on the points of each class: the last word of its name if that is short and enough, else 1, 2, ..."""
    beginnings, ends = {name.rpartition(" ")[0] for name in classes}, [name.rpartition(" ")[2] for name in classes]
    is_enough = len(beginnings) == 1 and all(len(end) <= 2 for end in ends)
    return ends if is_enough else [str(i + 1) for i in range(len(classes))]


def latent_figure(blocks: list[list[Panel]], classes: list[str]) -> Figure:
    """Rows of panels above one legend of the classes.

    Args:
        blocks: Panels that belong together.
        classes: Names of the classes; none for a dataset without labels.
    """
    entries, n_entries = class_legend(classes)
    n_groups = 1 + max(int(panel.groups.max(initial=0)) for panels in blocks for panel in panels)
    notes = legends.legend_notes(len(classes), n_groups)
    n_lines = -(-len(entries) // n_entries) + len(notes)
    for n_columns, size in COLUMNS.items():
        rows = pack_panels(blocks, n_columns)
        height = len(rows) * (style.WIDTH / n_columns + size / 22) + 0.18 * (n_lines + 1)
        if height <= HEIGHT:
            break
    figure = style.empty_figure(height)
    grid = figure.subplots(len(rows), n_columns, squeeze=False)
    step = -(-sum(len(panel.points) for panels in blocks for panel in panels) // POINTS)
    for axes, panel in zip(grid.flat, [panel for row in rows for panel in fill_row(row, n_columns)], strict=True):
        if panel is None:
            axes.set_axis_off()
        else:
            draw_panel(axes, panel, step, size)
    if classes and len(classes) < n_groups <= style.N_LOOKS:
        notes.append("Components beyond the classes have colours of their own")
    legends.add_legend(figure, entries, n_entries, notes)
    return figure


def class_legend(classes: list[str]) -> tuple[dict[str, Line2D], int]:
    """A dot by label, and the number of columns: every class, numbered where the panels show numbers.

    More classes than a legend can name have none.
    """
    if len(classes) > legends.MAX_NAMED:
        return {}, 1
    marks = class_marks(classes)
    is_in_name = all(name.endswith(mark) for name, mark in zip(classes, marks, strict=True))
    labels, n_columns = legends.fit_names(classes, ["" if is_in_name else f"{mark}  " for mark in marks])
    dots = [
        style.legend_dot(color=style.colour(i), marker=style.marker(i), markersize=4, markeredgewidth=0)
        for i in range(len(classes))
    ]
    return dict(zip(map(style.mathtext, labels), dots, strict=True)), n_columns


if __name__ == "__main__":
    run_step(draw)
