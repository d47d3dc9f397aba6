"""Step: the picture of README.md, drawn from results/reference, `make readme`."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmvae.formats.writing import write_atomically
from gmvae.metrics.statistics import values_by_seed
from gmvae.pipeline import plan
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures.style import colour

TASKS = {"embedded": ("digits", "pbmc68k"), "full": ("mnist", "fashion_mnist", "pbmc3k", "kang")}  # no label is seen
OURS, NOT_DRAWN = "gmdvae", "truth"
WIDTH, LINE, MARGIN = 10.0, 0.2, 0.8  # inches: the picture's width, a model's height, title and axis together
DOTS_PER_INCH = 120


def draw_reference(reference: Path, output: Path) -> None:
    """Draw the accuracy of each model on the main tasks without labels, one dot per seed.

    Args:
        reference: The folder with one folder per study, each with metrics.csv and provenance.json.
        output: The picture, a PNG file.

    Raises:
        Refused: A study of the picture has no reference.
    """
    panels, names, digest = {}, {}, sha256()
    for study, tasks in TASKS.items():
        folder = reference / study
        if not (folder / "provenance.json").is_file():
            raise Refused(f"{folder}: no reference of study {study}; keep one with `make reference STUDY={study}`")
        config = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["config"]
        table = pd.read_csv(folder / "metrics.csv", dtype={"task": str, "model": str})
        digest.update((folder / "metrics.csv").read_bytes())
        names |= plan.display_names(config)
        panels |= {task: accuracies(table, plan.models(config, task), task) for task in tasks}
    # The file says which results it shows, and has no program's name, so that the same results give the same bytes.
    metadata = {"Software": None, "Source": digest.hexdigest()}
    with write_atomically(output) as temporary, rc_context(rcParamsDefault):
        page(panels, names).savefig(temporary, format="png", dpi=DOTS_PER_INCH, metadata=metadata)


def accuracies(table: pd.DataFrame, models: list[str], task: str) -> dict[str, pd.Series]:
    """The test accuracy by seed of each model that has one."""
    by_model = {model: values_by_seed(table, task, model, "accuracy") for model in models if model != NOT_DRAWN}
    return {model: by_seed for model, by_seed in by_model.items() if len(by_seed)}


def page(panels: dict[str, dict[str, pd.Series]], names: dict[str, str]) -> Figure:
    """The picture: one panel per task, one line per model, the same lines in all panels."""
    models = list(dict.fromkeys(model for by_model in panels.values() for model in by_model))
    figure = Figure(figsize=(WIDTH, LINE * len(models) + MARGIN), layout="constrained")
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True)
    for axes, (task, by_model) in zip(grid, panels.items(), strict=True):
        draw_panel(axes, {models.index(model): by_seed for model, by_seed in by_model.items()}, models.index(OURS))
        axes.set_title(names[task], size=10)
    grid[0].set_yticks(range(len(models)), [names[model] for model in models])
    grid[0].get_yticklabels()[models.index(OURS)].set_fontweight("bold")
    grid[0].set(xlim=(-0.04, 1.04), ylim=(len(models) - 0.4, -0.6), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    figure.supxlabel("accuracy on the test split; a dot is a seed, a bar is their mean", size=9)
    return figure


def draw_panel(axes: Axes, lines: dict[int, pd.Series], ours: int) -> None:
    """Draw one task: the values of each line, spread a little in height so that no dot hides another."""
    for line, by_seed in lines.items():
        places = np.arange(len(by_seed)) - (len(by_seed) - 1) / 2
        heights = line + 0.5 * places / max(1, len(by_seed) - 1)
        shade = colour(5) if line == ours else colour(0)
        axes.plot(by_seed, heights, "o", color=shade, alpha=0.6, markersize=3, markeredgewidth=0)
        axes.plot(by_seed.mean(), line, "|", color="black", markersize=LINE * 72 * 0.7, markeredgewidth=1.2)
    axes.tick_params(length=0, labelsize=9)
    axes.grid(color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


if __name__ == "__main__":
    run_step(draw_reference)
