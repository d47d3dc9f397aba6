"""Whether conditions mix in the style w: its plane for one seed of each model, and a score for all seeds."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.neighbors import KNeighborsClassifier

from gmvae.formats.latent import pick_seed, read_latent, run_seeds
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import legends, strips, style

NEIGHBOURS = 15
COLUMNS = 3  # planes beside each other
PLANE_HEIGHT = 1.7  # inches
LONG_NAME = 18  # letters of a model's name that leave too little room for the label of the axis in one line
LINE_HEIGHT = 0.3  # inches, of a model's line


def draw(output: Path, task: str, names: dict, latents: list[Path], models: list[str]) -> None:
    """Draw each model's mean styles by condition, and how well they predict it.

    The styles w are those of the picked seed. Below, for all seeds, is the accuracy on the test rows of a vote of the
    15 nearest training rows in w. Models without style are left out.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose models are shown.
        names: Display names of models by their keys.
        latents: latent.h5ad of each model.
        models: The models' keys, in the order of `latents`.

    Raises:
        Refused: No model has a style, or the dataset has no conditions.
    """
    runs = {model: read_latent(path) for path, model in zip(latents, models, strict=True)}
    runs = {model: run for model, run in runs.items() if f"w_{run_seeds(run)[0]}" in run.obsm}
    if not runs or not all("condition" in run.obs for run in runs.values()):
        raise Refused(f"task {task} has no model with conditions and style: leave the figure `conditions` out for it")
    style.save_figure(condition_figure(runs, names), output)


def condition_accuracy(w: np.ndarray, condition: np.ndarray, train: np.ndarray) -> float:
    """Accuracy on the test rows of predicting the condition by the 15 nearest training rows in w.

    Args:
        w: Mean styles [N, W].
        condition: Condition numbers [N].
        train: Mask of the training rows [N].
    """
    classifier = KNeighborsClassifier(min(NEIGHBOURS, int(train.sum()))).fit(w[train], condition[train])
    return float(classifier.score(w[~train], condition[~train]))


def condition_accuracies(run: anndata.AnnData) -> pd.DataFrame:
    """The accuracy of every seed of a run: columns seed and value."""
    train = (run.obs["split"] == "train").to_numpy()
    condition = run.obs["condition"].cat.codes.to_numpy()
    seeds = run_seeds(run)
    values = [condition_accuracy(run.obsm[f"w_{seed}"], condition, train) for seed in seeds]
    return pd.DataFrame({"seed": seeds, "value": values})


def chance_accuracy(run: anndata.AnnData) -> float:
    """The share of the test rows that have the most frequent condition: what a constant prediction reaches."""
    test = run.obs["condition"][run.obs["split"] == "test"]
    return float(test.value_counts(normalize=True).max())


def condition_figure(runs: dict[str, anndata.AnnData], names: dict) -> Figure:
    """The planes in rows of three, and below them the panel of the accuracies."""
    n_rows = -(-len(runs) // COLUMNS)
    heights = [PLANE_HEIGHT] * n_rows + [LINE_HEIGHT * len(runs) + 0.35]
    figure = style.empty_figure(sum(heights) + 0.5)
    grid = figure.add_gridspec(n_rows + 1, COLUMNS, height_ratios=heights)
    for i, (model, run) in enumerate(runs.items()):
        axes = figure.add_subplot(grid[i // COLUMNS, i % COLUMNS])
        plot_style_plane(axes, run)
        axes.set_title(style.wrap_text(style.display_name(names, model), style.WIDTH / COLUMNS - 0.1, 8), size=8)
    plot_accuracies(figure.add_subplot(grid[n_rows, :]), runs, names)
    conditions = list(next(iter(runs.values())).obs["condition"].cat.categories)
    named = conditions if len(conditions) <= legends.MAX_NAMED else []
    labels, n_columns = legends.fit_names(named, [""] * len(named), max_columns=5)
    entries = {style.mathtext(label): style.legend_dot(**condition_dots(i)) for i, label in enumerate(labels)}
    notes = legends.legend_notes(len(conditions), len(conditions), "conditions")
    legends.add_legend(figure, entries, max(1, n_columns), notes)
    return figure


def plot_style_plane(axes: Axes, run: anndata.AnnData) -> None:
    """The first two dimensions of the mean style of the picked seed, test rows only, one condition after the other."""
    w = run.obsm[f"w_{pick_seed(run)}"]
    w = np.column_stack([w, np.zeros(len(w))])[:, :2]
    codes = run.obs["condition"].cat.codes.to_numpy()
    test = (run.obs["split"] == "test").to_numpy()
    for code in np.unique(codes[test & (codes >= 0)]):
        axes.plot(*w[test & (codes == code)].T, linestyle="none", alpha=0.7, **condition_dots(code))
    axes.set(xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(True)


def condition_dots(i: int) -> dict:
    """The look of the dots of the i-th condition."""
    return {"marker": style.marker(i), "color": style.colour(i), "markersize": 2.5, "markeredgewidth": 0}


def plot_accuracies(axes: Axes, runs: dict[str, anndata.AnnData], names: dict) -> None:
    """One line for each model, one dot for each seed, and a dashed line at the accuracy of chance."""
    models = list(runs)
    scores = pd.concat([condition_accuracies(run).assign(model=model) for model, run in runs.items()])
    seeds = sorted(scores["seed"].unique())
    strips.plot_seeds(axes, scores, models, seeds, style.GREY, marker="o", markersize=3, markeredgewidth=0)
    strips.plot_means(axes, scores, models, LINE_HEIGHT)
    strips.finish_strips(axes, models, names)
    axes.grid(visible=False, axis="y")
    axes.axvline(chance_accuracy(next(iter(runs.values()))), **style.DASHED)
    axes.set_xlim(None, 1.02)
    longest = max(len(style.display_name(names, model, strips.LETTERS)) for model in models)
    lines = "\n" if longest > LONG_NAME else " "
    axes.set_xlabel(f"share of test rows whose condition{lines}is predicted by their neighbours in w")


if __name__ == "__main__":
    run_step(draw)
