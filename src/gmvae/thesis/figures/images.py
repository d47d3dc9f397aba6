"""What decoding models make of images: test images, their reconstructions, and samples of each component."""

from pathlib import Path

import anndata
import numpy as np
from matplotlib.figure import Figure
from scipy import sparse

from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import pick_seed, read_latent, run_clusters, showcase_rows
from gmvae.metrics.scores import contingency, number_components
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style

LABEL = 1.1  # inches left of the images
CELL = 0.34  # inches: the largest size of an image
HEIGHT = 6.3  # inches: leaves room on the page for text
TITLE = 0.26  # inches above a block
SPACE = 0.05  # inches below a model
SAMPLES = (8, 6, 4, 3, 2, 1)  # how many of each component, as many as the page holds


def draw(output: Path, task: str, names: dict, data: Path, latents: list[Path], models: list[str]) -> None:
    """Draw test images over each model's reconstructions, then samples of each model, one column per component.

    Reconstructions and samples are those of the picked seed; components stand in the order of the classes that they
    match. Models that do not decode are left out.
    """
    adata = load_dataset(data)
    shape = tuple(int(size) for size in adata.uns["shape"])
    if len(shape) != 2:
        raise Refused(f"{data}: uns['shape'] is {list(shape)}, which is no image: leave the figure out for task {task}")
    rows = showcase_rows(adata)
    images, samples = {"Test images": dense(adata, rows)[None]}, {}
    for path, model in zip(latents, models, strict=True):
        run, label = read_latent(path), style.display_name(names, model)
        shown, seed = run.uns.get("showcase", {}), pick_seed(run)
        if f"reconstruction_{seed}" in shown:
            if not np.array_equal(shown["rows"], rows):
                raise Refused(f"{path} shows other rows than the data set has to show: run the step that made it again")
            images[label] = np.asarray(shown[f"reconstruction_{seed}"])[None]
        if f"samples_{seed}" in shown:
            drawn = np.asarray(shown[f"samples_{seed}"])  # K or 1, 8, D
            samples[label] = drawn[order(run, adata, seed)].swapaxes(0, 1) if len(drawn) > 1 else drawn
    if len(images) == 1 and not samples:
        raise Refused(f"task {task}: no model decodes: leave the figure `images` out for it in config.yaml")
    style.save_figure(page(images, samples, shape), output)


def dense(adata: anndata.AnnData, rows: np.ndarray) -> np.ndarray:
    """The data of some rows [rows, D]."""
    x = adata.X[rows]
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def order(run: anndata.AnnData, adata: anndata.AnnData, seed: int) -> np.ndarray:
    """The components [K] in the order of the classes that they match, those without one last."""
    cluster, n_components = run_clusters(run, seed), int(run.uns["n_components"])
    if cluster is None or "label" not in adata.obs:
        return np.arange(n_components)
    label = adata.obs["label"].cat
    table = contingency(label.codes.to_numpy(), cluster, len(label.categories), n_components)
    return np.argsort(number_components(table))


def mosaic(images: np.ndarray, shape: tuple[int, int], paper: float) -> np.ndarray:
    """Images [lines, columns, D] as one picture [h, w], the value of the paper between them."""
    lines, columns, _ = images.shape
    gap = max(1, shape[0] // 8)
    framed = np.full((lines, columns, shape[0] + gap, shape[1] + gap), paper)
    framed[:, :, : shape[0], : shape[1]] = images.reshape(lines, columns, *shape)
    return framed.swapaxes(1, 2).reshape(lines * (shape[0] + gap), columns * (shape[1] + gap))[:-gap, :-gap]


def page(images: dict[str, np.ndarray], samples: dict[str, np.ndarray], shape: tuple[int, int]) -> Figure:
    """The figure: two titled blocks, in each a picture per model, its name on the left. Sizes are in inches."""
    for n_samples in SAMPLES:
        shown = {label: drawn[:n_samples] for label, drawn in samples.items()}
        blocks = {"Reconstructions": images} | ({"Samples, one column per component": shown} if shown else {})
        pictures = [drawn for block in blocks.values() for drawn in block.values()]
        between = SPACE * (1 + len(pictures)) + (TITLE + SPACE) * len(blocks)
        inked = sum(cell(drawn) * len(drawn) for drawn in pictures)
        if between + inked <= HEIGHT:
            break
    room = HEIGHT if between + inked <= HEIGHT else style.HEIGHT  # so many models have a page
    scale = min(1.0, (room - between) / inked)
    height = between + scale * inked
    figure = style.canvas(height, layout="none")
    low, high = float(images["Test images"].min()), float(images["Test images"].max())
    top = height
    for title, block in blocks.items():
        figure.text(0.5, (top - TITLE / 2) / height, title, ha="center", va="center", size=9)
        top -= TITLE
        for label, drawn in block.items():
            width, tall = scale * cell(drawn) * drawn.shape[1], scale * cell(drawn) * drawn.shape[0]
            box = (LABEL / style.WIDTH, (top - tall) / height, width / style.WIDTH, tall / height)
            place(figure, label, mosaic(drawn, shape, low), box, (low, high))
            top -= tall + SPACE
        top -= SPACE
    return figure


def place(
    figure: Figure, label: str, picture: np.ndarray, box: tuple[float, float, float, float], limits: tuple[float, float]
) -> None:
    """One picture in a box (left, bottom, width, height, as shares of the figure), its name on the left."""
    axes = figure.add_axes(box)
    axes.imshow(picture, cmap="gray_r", vmin=limits[0], vmax=limits[1], interpolation="none")
    axes.set_anchor("NW")
    axes.set_axis_off()
    name = style.wrap_text(label, LABEL - 0.1, 8)
    figure.text((LABEL - 0.1) / style.WIDTH, box[1] + box[3] / 2, name, ha="right", va="center", size=8)


def cell(drawn: np.ndarray) -> float:
    """Size in inches of one of the images [lines, columns, D]."""
    return min(CELL, (style.WIDTH - LABEL) / drawn.shape[1])


if __name__ == "__main__":
    run_step(draw)
