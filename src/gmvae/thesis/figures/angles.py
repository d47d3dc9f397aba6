"""The angle between a linear autoencoder's plane and that of the principal components: one dot for each seed."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy.linalg import subspace_angles

from gmvae.data.principal_components import principal_axes
from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import read_latent, run_seeds
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import strips, style

LINE_HEIGHT = 0.3  # inches, of a model's line
SMALLEST = 1e-4  # degrees: smaller angles are drawn here
THRESHOLD = 1.0  # degrees: where the thesis draws its line


def draw(output: Path, task: str, names: dict, data: Path, latents: list[Path], models: list[str]) -> None:
    """Draw the angles between linear decoders and the principal components.

    An angle is the largest principal angle between a decoder's plane and the plane of as many principal components of
    the training rows, one for each seed. Models that are not linear have no plane and are left out.

    Args:
        output: The .pdf to write; the .svg gets the same name.
        task: The task whose models are shown.
        names: Display names of models by their keys.
        data: The task's dataset, an .h5ad.
        latents: latent.h5ad of each model.
        models: The models' keys, in the order of `latents`.

    Raises:
        Refused: No model is linear.
    """
    adata = load_dataset(data)
    train = adata[(adata.obs["split"] == "train").to_numpy()].X
    train = train.toarray() if hasattr(train, "toarray") else np.asarray(train)
    runs = {model: read_latent(path) for path, model in zip(latents, models, strict=True)}
    linear = {model: run for model, run in runs.items() if f"plane_{run_seeds(run)[0]}" in run.uns}
    if not linear:
        raise Refused(f"task {task} has no linear autoencoder: leave the figure `angles` out for it in config.yaml")
    degrees = pd.concat([plane_angles(run, train).assign(model=model) for model, run in linear.items()])
    style.save_figure(angle_figure(degrees, names), output)


def plane_angles(run: anndata.AnnData, train: np.ndarray) -> pd.DataFrame:
    """The largest principal angle of each seed to the plane of the principal components.

    Args:
        run: The latent of a run; uns[plane_{seed}] is the decoder's matrix [D, L].
        train: The training rows [n, D].

    Returns:
        Columns seed and value, the angle in degrees. Small angles are taken from their sines: cosines lose what is
        below a millionth of a degree (Knyazev & Argentati 2002).
    """
    planes = {seed: run.uns[f"plane_{seed}"] for seed in run_seeds(run)}
    n_dimensions = next(iter(planes.values())).shape[1]
    _, axes = principal_axes(train, n_dimensions)  # D, L
    radians = [subspace_angles(axes, plane).max() for plane in planes.values()]
    return pd.DataFrame({"seed": list(planes), "value": np.rad2deg(radians)})


def angle_figure(degrees: pd.DataFrame, names: dict) -> Figure:
    """One line for each model on a logarithmic axis of degrees.

    Args:
        degrees: Columns model, seed and value, the angle in degrees.
        names: Display names of models by their keys.
    """
    models, seeds = list(dict.fromkeys(degrees["model"])), sorted(degrees["seed"].unique())
    figure = style.empty_figure(LINE_HEIGHT * len(models) + 0.7)
    axes = figure.subplots()
    clipped = degrees.assign(value=degrees["value"].clip(lower=SMALLEST))
    look = {"marker": "o", "markersize": 3, "markeredgewidth": 0, "alpha": 0.6}
    strips.plot_seeds(axes, clipped, models, seeds, style.colour(0), **look)
    strips.finish_strips(axes, models, names)
    axes.axvline(THRESHOLD, **style.DASHED)
    low, high = degrees["value"].min(), degrees["value"].max()
    axes.set_xscale("log")
    axes.set_xlim(10 ** np.floor(np.log10(max(SMALLEST, low)) - 0.1), max(10 * THRESHOLD, min(100, 2 * high)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda angle, _: f"{angle:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("largest principal angle to the plane of the principal components, in degrees")
    return figure


if __name__ == "__main__":
    run_step(draw)
