"""Each latent in the plane, coloured by true class and by found component."""

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
from gmvae.thesis.figures import style
from gmvae.thesis.figures.scatter import Panel, fill_line, pack_lines, scatter

# Panels beside each other, as few as leave half a page for another figure: size of the letters in points.
COLUMNS = {3: 8, 4: 8, 6: 7, 8: 6, 10: 5}
HEIGHT = 4.8  # inches
POINTS = 40_000  # in the whole figure: a PDF that opens at once
CONTROLS = ("truth", "random")


def draw(
    output: Path, task: str, names: dict, data: Path, latents: list[Path], models: list[str], projection: Path
) -> None:
    """Draw, for each model of the task, its picked seed's UMAP coloured by class and by component.

    Components take the colour of the class that they match; those beyond the classes have their own. Models that
    share a latent share the panel of the classes. Controls are left out.
    """
    adata = load_dataset(data)
    table = pd.read_csv(projection, dtype={"row": str, "model": str})
    found = {model: read_latent(path) for path, model in zip(latents, models, strict=True)}
    blocks = []
    for group in spaces(table, [model for model in models if found[model].uns.get("baseline") not in CONTROLS]):
        blocks.append(block(adata, table, {model: found[model] for model in group}, names))
    if not blocks:
        raise Refused(f"task {task}: no model but controls is left to draw; leave the figure `latents` out for it")
    classes = list(adata.obs["label"].cat.categories) if "label" in adata.obs else []
    style.save_figure(page(blocks, classes), output)


def spaces(table: pd.DataFrame, models: list[str]) -> list[list[str]]:
    """The models in groups that share their coordinates, in the order of the first of each."""
    groups = {}
    for model in models:
        points = table.loc[table["model"] == model, ["u", "v"]].to_numpy()
        groups.setdefault(points.tobytes(), []).append(model)
    return list(groups.values())


def block(adata: anndata.AnnData, table: pd.DataFrame, found: dict[str, anndata.AnnData], names: dict) -> list[Panel]:
    """The panels of one space: the classes, then the components of each model that has some."""
    first = next(iter(found))
    here = table[table["model"] == first]
    points = here[["u", "v"]].to_numpy()
    rows = adata.obs_names.get_indexer(here["row"])
    panels = []
    if "label" in adata.obs:
        label = adata.obs["label"].cat
        truth = label.codes.to_numpy()[rows]
        panels.append(Panel(points, truth, style.display_name(names, first), "classes", short(list(label.categories))))
    for model, run in found.items():
        cluster = run_clusters(run, int(table.loc[table["model"] == model, "seed"].iloc[0]))
        if cluster is not None:
            groups = numbers(adata, cluster, int(run.uns["n_components"]))[cluster[rows]]
            panels.append(Panel(points, groups, style.display_name(names, model), "components", []))
    if not panels:
        panels.append(Panel(points, np.zeros(len(points), dtype=int), style.display_name(names, first), "", []))
    return panels


def numbers(adata: anndata.AnnData, cluster: np.ndarray, n_components: int) -> np.ndarray:
    """The colour number of each component [K]: the class that it matches on all rows, else one beyond the classes."""
    if "label" not in adata.obs:
        return np.arange(n_components)
    label = adata.obs["label"].cat
    return number_components(contingency(label.codes.to_numpy(), cluster, len(label.categories), n_components))


def short(classes: list[str]) -> list[str]:
    """What is written onto the points of each class: the last word of its name if short, else 1, 2, ..."""
    rests, ends = {name.rpartition(" ")[0] for name in classes}, [name.rpartition(" ")[2] for name in classes]
    told = len(rests) == 1 and all(len(end) <= 2 for end in ends)
    return ends if told else [str(i + 1) for i in range(len(classes))]


def page(blocks: list[list[Panel]], classes: list[str]) -> Figure:
    """The figure: lines of panels over one legend of the classes."""
    key = legend(classes)
    widest = max((len(label) for label in key), default=1)
    n_keys = max(1, min(len(key), int(style.WIDTH / (style.letter(8) * widest + 0.35))))
    for n, size in COLUMNS.items():
        lines = pack_lines(blocks, n)
        height = len(lines) * (style.WIDTH / n + size / 22) + 0.18 * (-(-len(key) // n_keys) + 1)
        if height <= HEIGHT:
            break
    figure = style.canvas(height)
    grid = figure.subplots(len(lines), n, squeeze=False)
    step = -(-sum(len(panel.points) for panels in blocks for panel in panels) // POINTS)
    for axes, panel in zip(grid.flat, [panel for line in lines for panel in fill_line(line, n)], strict=True):
        if panel is None:
            axes.set_axis_off()
        else:
            scatter(axes, panel, step, size)
    if key:
        beyond = any(panel.groups.max() >= len(classes) for panels in blocks for panel in panels)
        title = "Components beyond the classes have colours of their own" if beyond else None
        figure.legend(key.values(), key.keys(), loc="outside lower center", ncols=n_keys, title=title)
    return figure


def legend(classes: list[str]) -> dict[str, Line2D]:
    """A dot by label: every class, numbered where the panels show numbers."""
    marks = short(classes)
    told = all(name.endswith(mark) for name, mark in zip(classes, marks, strict=True))
    labels = classes if told else [f"{mark}  {name}" for name, mark in zip(classes, marks, strict=True)]
    return {style.text(label): dot(style.colour(i), style.marker(i)) for i, label in enumerate(labels)}


def dot(colour: str, marker: str) -> Line2D:
    """A legend's mark."""
    return Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=4, markeredgewidth=0)


if __name__ == "__main__":
    run_step(draw)
