"""How far a linear autoencoder's plane is from that of the principal components: one dot per seed."""

from pathlib import Path

import anndata
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy.linalg import subspace_angles

from gmvae.data.principal_components import principal_axes
from gmvae.formats.dataset import load_dataset
from gmvae.formats.latent import read_latent, run_seeds
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import style

LINE = 0.3  # inches: height of a model's line
SPREAD = 0.5  # share of that height over which the seeds' dots are spread
LEAST = 1e-4  # degrees: what is smaller is drawn here
LIMIT = 1.0  # degrees: where the thesis draws its line


def draw(output: Path, task: str, names: dict, data: Path, latents: list[Path], models: list[str]) -> None:
    """Draw the largest principal angle between the decoder's plane and that of as many principal components.

    The components are those of the training rows. Models that are not linear have no plane and are left out; Refused
    where that leaves none.
    """
    adata = load_dataset(data)
    train = adata[(adata.obs["split"] == "train").to_numpy()].X
    train = train.toarray() if hasattr(train, "toarray") else np.asarray(train)
    found = {model: angles(read_latent(path), train) for path, model in zip(latents, models, strict=True)}
    found = {model: degrees for model, degrees in found.items() if len(degrees)}
    if not found:
        raise Refused(f"task {task} has no linear autoencoder: leave the figure `angles` out for it in config.yaml")
    style.save_figure(page(found, names), output)


def angles(run: anndata.AnnData, train: np.ndarray) -> np.ndarray:
    """The largest principal angle of each seed [S], in degrees, to the principal plane of the rows train [n, D].

    None where the run has no plane. The sines of small angles are used (Knyazev & Argentati 2002): cosines would lose
    what is below a millionth of a degree.
    """
    planes = [run.uns[f"plane_{seed}"] for seed in run_seeds(run) if f"plane_{seed}" in run.uns]  # D, L each
    if not planes:
        return np.array([])
    _, axes = principal_axes(train, planes[0].shape[1])
    return np.rad2deg([subspace_angles(axes, plane).max() for plane in planes])


def page(found: dict[str, np.ndarray], names: dict) -> Figure:
    """The figure: one line per model on a logarithmic axis of degrees."""
    figure = style.canvas(LINE * len(found) + 0.7)
    axes = figure.subplots()
    for line, degrees in enumerate(found.values()):
        heights = line + SPREAD * (np.arange(len(degrees)) / max(1, len(degrees) - 1) - 0.5) * (len(degrees) > 1)
        shown = np.maximum(degrees, LEAST)
        axes.plot(shown, heights, "o", color=style.colour(0), alpha=0.6, markersize=3, markeredgewidth=0)
    axes.axvline(LIMIT, color="black", linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set(xscale="log", ylim=(len(found) - 0.4, -0.6))
    low, high = min(map(np.min, found.values())), max(map(np.max, found.values()))
    axes.set_xlim(10 ** np.floor(np.log10(max(LEAST, low)) - 0.1), max(10 * LIMIT, min(100, 2 * high)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda degrees, _: f"{degrees:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(found)), [style.text(style.display_name(names, model)) for model in found])
    axes.set_xlabel("largest principal angle to the plane of the principal components, in degrees")
    axes.tick_params(axis="y", length=0)
    axes.grid(color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    return figure


if __name__ == "__main__":
    run_step(draw)
