"""Whether conditions mix in the style w: its plane for one seed of each model, and an index for all seeds."""

from pathlib import Path

import anndata
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.neighbors import KNeighborsClassifier

from gmvae.formats.latent import pick_seed, read_latent, run_seeds
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style

NEIGHBOURS = 15
COLUMNS = 3  # planes beside each other
LINE = 0.3  # inches: height of a model's line
SPREAD = 0.5  # share of that height over which the seeds' dots are spread


def draw(output: Path, task: str, names: dict, latents: list[Path], models: list[str]) -> None:
    """Draw the mean styles of each model's picked seed, coloured by condition, and below how well they tell it.

    The index is the share of test rows whose condition is that of most of their 15 nearest training rows in w. Models
    without style are left out; Refused where that leaves none, or the data have no conditions.
    """
    found = {model: read_latent(path) for path, model in zip(latents, models, strict=True)}
    found = {model: run for model, run in found.items() if f"w_{run_seeds(run)[0]}" in run.obsm}
    if not found or not all("condition" in run.obs for run in found.values()):
        raise Refused(f"task {task} has no model with conditions and style: leave the figure `conditions` out for it")
    style.save_figure(page(found, names), output)


def separation(w: np.ndarray, condition: np.ndarray, train: np.ndarray) -> float:
    """Accuracy on the test rows of 15 nearest training neighbours in w [N, W] at telling condition [N].

    `train` is a mask [N].
    """
    told = KNeighborsClassifier(min(NEIGHBOURS, int(train.sum()))).fit(w[train], condition[train])
    return float(told.score(w[~train], condition[~train]))


def separations(run: anndata.AnnData) -> np.ndarray:
    """The index of every seed, [S]."""
    train = (run.obs["split"] == "train").to_numpy()
    condition = run.obs["condition"].cat.codes.to_numpy()
    return np.array([separation(run.obsm[f"w_{seed}"], condition, train) for seed in run_seeds(run)])


def chance(run: anndata.AnnData) -> float:
    """The share of the test rows that are of their most frequent condition: what says nothing scores."""
    test = run.obs["condition"][run.obs["split"] == "test"]
    return float(test.value_counts(normalize=True).max())


def page(found: dict[str, anndata.AnnData], names: dict) -> Figure:
    """The figure: planes in lines of three, and the panel of the index under them."""
    n_lines = -(-len(found) // COLUMNS)
    heights = [1.7] * n_lines + [LINE * len(found) + 0.35]
    figure = style.canvas(sum(heights) + 0.5)
    grid = figure.add_gridspec(n_lines + 1, COLUMNS, height_ratios=heights)
    for place, (model, run) in enumerate(found.items()):
        axes = figure.add_subplot(grid[place // COLUMNS, place % COLUMNS])
        plane(axes, run)
        axes.set_title(style.text(style.display_name(names, model)), size=8)
    index(figure.add_subplot(grid[n_lines, :]), found, names)
    conditions = next(iter(found.values())).obs["condition"].cat.categories
    key = {style.text(str(name)): Line2D([], [], linestyle="none", **look(i)) for i, name in enumerate(conditions)}
    figure.legend(key.values(), key.keys(), loc="outside lower center", ncols=5)
    return figure


def plane(axes: Axes, run: anndata.AnnData) -> None:
    """The first two dimensions of the mean style of the picked seed, test rows in turn so that none hides the other."""
    w = run.obsm[f"w_{pick_seed(run)}"]
    w = np.column_stack([w, np.zeros(len(w))])[:, :2]
    codes = run.obs["condition"].cat.codes.to_numpy()
    shown = (run.obs["split"] == "test").to_numpy()
    for code in np.unique(codes[shown & (codes >= 0)]):
        axes.plot(*w[shown & (codes == code)].T, linestyle="none", alpha=0.7, **look(code))
    axes.set(xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(True)


def look(i: int) -> dict:
    """The dots of the i-th condition."""
    return {"marker": style.marker(i), "color": style.colour(i), "markersize": 2.5, "markeredgewidth": 0}


def index(axes: Axes, found: dict[str, anndata.AnnData], names: dict) -> None:
    """One line per model, one dot per seed, and a dashed line where chance is."""
    for line, run in enumerate(found.values()):
        values = separations(run)
        heights = line + SPREAD * (np.arange(len(values)) / max(1, len(values) - 1) - 0.5) * (len(values) > 1)
        axes.plot(values, heights, "o", color=style.GREY, markersize=3, markeredgewidth=0)
        axes.plot(values.mean(), line, "|", color="black", markersize=LINE * 72 * 0.7, markeredgewidth=1.2)
    axes.axvline(chance(next(iter(found.values()))), color="black", linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_yticks(range(len(found)), [style.text(style.display_name(names, model)) for model in found])
    axes.set(ylim=(len(found) - 0.4, -0.6), xlim=(None, 1.02))
    axes.set_xlabel("share of test rows whose condition is told by their neighbours in w")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


if __name__ == "__main__":
    run_step(draw)
