"""Images from models that decode: test images, their reconstructions, and samples of each component."""

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
from gmvae.thesis.typeset import shorten

LABEL_WIDTH = 1.1  # inches left of the images
IMAGE_SIZE = 0.34  # inches: the largest size of an image
HEIGHT = 6.3  # inches: leaves room on the page for text
TITLE_HEIGHT = 0.26  # inches above a block
SPACE = 0.05  # inches below a model
LINE = 0.14  # inches: height of a line of a model's name
MAX_COLUMNS = 40  # components with samples; further ones are too small to be seen
SAMPLES = (8, 6, 4, 3, 2, 1)  # numbers of samples of each component: the first that fits the page is used


def draw(output: Path, task: str, names: dict, data: Path, latents: list[Path], models: list[str]) -> None:
    """Draw test images, their reconstructions, and samples of each component.

    Reconstructions and samples are those of the picked seed; components come in the order of the classes that they
    match. Models that do not decode are left out.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose models are shown.
        names: Display names of models by their keys.
        data: The task's dataset, an .h5ad.
        latents: latent.h5ad of each model.
        models: The models' keys, in the order of `latents`.

    Raises:
        Refused: The dataset has no images, no model decodes, or a latent shows other rows than the dataset.
    """
    adata = load_dataset(data)
    shape = tuple(int(size) for size in adata.uns["shape"])
    if len(shape) != 2:
        raise Refused(f"{data}: uns['shape'] is {list(shape)}, which is no image: leave the figure out for task {task}")
    rows = showcase_rows(adata)
    images, samples = {"Test images": dense_rows(adata, rows)[None]}, {}
    for path, model in zip(latents, models, strict=True):
        run, label = read_latent(path), style.display_name(names, model)
        showcase, seed = run.uns.get("showcase", {}), pick_seed(run)
        if f"reconstruction_{seed}" in showcase:
            if not np.array_equal(showcase["rows"], rows):
                raise Refused(f"{path} shows other rows than the dataset has to show: run the step that made it again")
            images[label] = np.asarray(showcase[f"reconstruction_{seed}"])[None]
        if f"samples_{seed}" in showcase:
            values = np.asarray(showcase[f"samples_{seed}"])  # K or 1, 8, D
            by_class = components_by_class(run, adata, seed)
            samples[label] = values[by_class].swapaxes(0, 1) if len(values) > 1 else values
    if len(images) == 1 and not samples:
        raise Refused(f"task {task}: no model decodes: leave the figure `images` out for it in config.yaml")
    style.save_figure(image_figure(images, samples, shape), output)


def dense_rows(adata: anndata.AnnData, rows: np.ndarray) -> np.ndarray:
    """The data of some rows [n, D]."""
    x = adata.X[rows]
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def components_by_class(run: anndata.AnnData, adata: anndata.AnnData, seed: int) -> np.ndarray:
    """The components [K] in the order of the classes that they match, those without a class last."""
    cluster, n_components = run_clusters(run, seed), int(run.uns["n_components"])
    if cluster is None or "label" not in adata.obs:
        return np.arange(n_components)
    label = adata.obs["label"].cat
    table = contingency(label.codes.to_numpy(), cluster, len(label.categories), n_components)
    return np.argsort(number_components(table))


def mosaic(images: np.ndarray, shape: tuple[int, int], paper: float) -> np.ndarray:
    """One picture [h, w] of many images, with gaps of the paper's value between them.

    Args:
        images: Values [rows, columns, D] of the images.
        shape: Height and width of one image in pixels.
        paper: Value between the images.
    """
    n_rows, n_columns, _ = images.shape
    gap = max(1, shape[0] // 8)
    framed = np.full((n_rows, n_columns, shape[0] + gap, shape[1] + gap), paper)
    framed[:, :, : shape[0], : shape[1]] = images.reshape(n_rows, n_columns, *shape)
    return framed.swapaxes(1, 2).reshape(n_rows * (shape[0] + gap), n_columns * (shape[1] + gap))[:-gap, :-gap]


def image_figure(images: dict[str, np.ndarray], samples: dict[str, np.ndarray], shape: tuple[int, int]) -> Figure:
    """Two titled blocks, in each one picture for each model with the model's name on the left.

    Args:
        images: The entry "Test images" and the reconstructions of each model, [1, n, D] each.
        samples: Samples of each model [8, K, D], or [1, 8, D] of a model without components.
        shape: Height and width of one image in pixels.
    """
    for n_samples in SAMPLES:
        blocks = {"Reconstructions": images}
        if samples:
            first_samples = {label: values[:n_samples, :MAX_COLUMNS] for label, values in samples.items()}
            blocks[samples_title(samples)] = first_samples
        pictures = [picture for block in blocks.values() for picture in block.values()]
        spaces = SPACE * (1 + len(pictures)) + (TITLE_HEIGHT + SPACE) * len(blocks)
        inked = sum(image_size(picture) * len(picture) for picture in pictures)
        if spaces + inked <= HEIGHT:
            break
    max_height = HEIGHT if spaces + inked <= HEIGHT else style.MAX_HEIGHT  # so many models get a whole page
    scale = min(1.0, (max_height - spaces) / inked)
    height = spaces + scale * inked
    figure = style.empty_figure(height, layout="none")
    value_range = float(images["Test images"].min()), float(images["Test images"].max())
    top = height
    for title, block in blocks.items():
        figure.text(0.5, (top - TITLE_HEIGHT / 2) / height, title, ha="center", va="center", size=9)
        top -= TITLE_HEIGHT
        for label, picture in block.items():
            size = scale * image_size(picture)
            width, tall = size * picture.shape[1], size * picture.shape[0]
            box = (LABEL_WIDTH / style.WIDTH, (top - tall) / height, width / style.WIDTH, tall / height)
            add_picture(figure, label, mosaic(picture, shape, value_range[0]), box, value_range)
            top -= tall + SPACE
        top -= SPACE
    return figure


def samples_title(samples: dict[str, np.ndarray]) -> str:
    """The title of the samples, which says where not all components are shown."""
    n_components = max(values.shape[1] for values in samples.values())
    shown = f" (the first {MAX_COLUMNS} of {n_components})" if n_components > MAX_COLUMNS else ""
    return f"Samples, one column per component{shown}"


def add_picture(figure: Figure, label: str, picture: np.ndarray, box: tuple, value_range: tuple[float, float]) -> None:
    """One picture [h, w] in a box (left, bottom, width, height, as shares of the figure), its name on the left."""
    axes, tall = figure.add_axes(box), box[3] * figure.get_figheight()
    axes.imshow(picture, cmap="gray_r", vmin=value_range[0], vmax=value_range[1], interpolation="none")
    axes.set_anchor("NW")
    axes.set_axis_off()
    name, n_lines = style.wrap_text(label, LABEL_WIDTH - 0.1, 8), max(1, int((tall + SPACE) / LINE))
    if name.count("\n") >= n_lines:
        per_line = int((LABEL_WIDTH - 0.1) / style.letter_width(8)) - 1
        wider = style.text_width(label, 8) / (style.letter_width(8) * len(label))
        name = style.wrap_text(shorten(label, max(5, int(n_lines * per_line / wider))), LABEL_WIDTH - 0.1, 8)
    size = 8 * min(1, 0.92 * (LABEL_WIDTH - 0.1) / max(style.line_width(line, 8) for line in name.split("\n")))
    figure.text((LABEL_WIDTH - 0.1) / style.WIDTH, box[1] + box[3] / 2, name, ha="right", va="center", size=size)


def image_size(images: np.ndarray) -> float:
    """Size in inches of each of the images [rows, columns, D]."""
    return min(IMAGE_SIZE, (style.WIDTH - LABEL_WIDTH) / images.shape[1])


if __name__ == "__main__":
    run_step(draw)
