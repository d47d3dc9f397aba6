"""Step `embed`: the results of a trained model for every row, so that no later step needs the model."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gmvae.formats.dataset import ANNOTATIONS, GRADES, load_dataset
from gmvae.formats.labels import read_observed_labels
from gmvae.formats.latent import showcase_rows
from gmvae.formats.weights import encoded_input, load_weights
from gmvae.formats.writing import write_h5ad
from gmvae.nn.batches import Rows, make_batch, one_hot, rows_from_dataset, select_rows
from gmvae.nn.inference import apply_to_rows, cluster_rows, embed_rows, importance_bounds, row_terms
from gmvae.nn.negative_binomial import library_size
from gmvae.nn.objective import objective
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.command import run_step
from gmvae.training.device import choose_device

BOUND_ROWS = 2000  # test rows, at most, that the importance-weighted bound is computed on


def embed(
    data: Path,
    observed: Path,
    weights: Path,
    output: Path,
    task: str,
    model: str,
    n_draws: int = 32,
    n_importance: int = 100,
    n_samples: int = 8,
    device: str = "auto",
    threads: int = 1,
    memory: float = 4.0,
) -> None:
    """Write latent.h5ad: per seed the latents, q(y|x), clusters, terms and bounds of every row, and a showcase.

    Args:
        data: The prepared dataset (.h5ad).
        observed: The labels that the model saw (csv of row, label).
        weights: The trained model (.safetensors).
        output: The latent.h5ad file to write.
        task: Name of the task.
        model: Name of the model's entry in the config.
        n_draws: Number of draws of z over which q(y|x) is averaged.
        n_importance: Number of draws of the importance-weighted bound.
        n_samples: Number of samples shown of each component.
        device: Where to compute: auto, cpu or cuda.
        threads: Number of compute threads.
        memory: GiB; a larger dataset stays on disk.

    Raises:
        Refused: A file is missing or damaged, or the device does not exist.
    """
    torch.set_num_threads(threads)
    torch_device = choose_device(device)
    trained, description = load_weights(weights, torch_device)
    arguments = description["arguments"]
    seeds, k = arguments["seeds"], arguments["n_components"] if trained.has_components else 0
    torch.set_default_dtype(next(trained.parameters()).dtype)
    adata = load_dataset(data, memory)
    hidden, encode = np.full(adata.n_obs, -1), encoded_input(arguments)
    rows = rows_from_dataset(adata, hidden, len(seeds), arguments["n_components"], torch_device, encode=encode)
    annotations = [key for key in (*ANNOTATIONS, *GRADES, "split") if key in adata.obs]
    latent = anndata.AnnData(obs=adata.obs[annotations])
    latent.uns = {"task": task, "model": model, "seeds": np.array(seeds), "n_components": k}
    latent.uns["labels_observed"] = read_observed_labels(adata.obs, observed).true
    fill_latent(latent, trained, rows, seeds)
    if k:
        fill_clusters(latent, trained, rows, seeds, n_draws)
    fill_terms(latent, trained, rows, seeds, n_importance)
    latent.uns["showcase"] = make_showcase(trained, rows, seeds, showcase_rows(adata), n_samples)
    write_h5ad(latent, output)


def to_float32(tensor: Tensor) -> np.ndarray:
    """A tensor as a float32 array, for the file."""
    return tensor.float().cpu().numpy()


def fill_latent(latent: anndata.AnnData, model: nn.Module, rows: Rows, seeds: list[int]) -> None:
    """Store the latent variables of every row.

    Args:
        latent: The run [N rows]. For each seed it gets obsm["z_{seed}"], the mean of q(z|x); obsm["w_{seed}"], the mean
            of q(w|x), of a model with a style; and uns["plane_{seed}"] [D, L], the directions that a linear decoder
            spans.
        model: The trained model.
        rows: The dataset's rows.
        seeds: The model's seeds.
    """
    for seed, z in zip(seeds, embed_rows(model, rows), strict=True):
        latent.obsm[f"z_{seed}"] = to_float32(z)
    if model.has_style:
        for seed, w in zip(seeds, apply_to_rows(model.style, rows, model, None), strict=True):
            latent.obsm[f"w_{seed}"] = to_float32(w)
    if model.is_linear:
        for seed, plane in zip(seeds, model.plane(), strict=True):
            latent.uns[f"plane_{seed}"] = plane.detach().double().cpu().numpy()


def fill_clusters(latent: anndata.AnnData, model: nn.Module, rows: Rows, seeds: list[int], n_draws: int) -> None:
    """Store q(y|x) averaged over draws of z, its most likely component, and whether the posterior mean has another."""
    averaged = cluster_rows(model, rows, make_generators(seeds, "cluster", rows.device), n_draws)
    at_mean = cluster_rows(model, rows, None)
    for s, seed in enumerate(seeds):
        latent.obsm[f"q_y_{seed}"] = to_float32(averaged[s])
        latent.obs[f"cluster_{seed}"] = averaged[s].argmax(-1).cpu().numpy()
        latent.obs[f"disagree_{seed}"] = (averaged[s].argmax(-1) != at_mean[s].argmax(-1)).cpu().numpy()


def fill_terms(latent: anndata.AnnData, model: nn.Module, rows: Rows, seeds: list[int], n_importance: int) -> None:
    """Store obsm["terms_{seed}"]: every term at weight 1, the ELBO, the bound on some test rows, and the objective.

    A model without a bound on log p(x) has no ELBO: its objective is what it maximises.
    """
    terms = row_terms(model, rows, make_generators(seeds, "terms", rows.device))
    elbo = terms.pop("elbo")
    maximised = elbo if model.has_bound else objective(terms, model.kl_weight)
    if model.has_bound:
        terms |= {"elbo": elbo, "bound": bounds_on_test(latent, model, rows, seeds, n_importance)}
    terms["objective"] = maximised
    for s, seed in enumerate(seeds):
        frame = {name: to_float32(value[s]) for name, value in terms.items()}
        latent.obsm[f"terms_{seed}"] = pd.DataFrame(frame, index=latent.obs_names)


def bounds_on_test(latent: anndata.AnnData, model: nn.Module, rows: Rows, seeds: list[int], k: int) -> Tensor:
    """The importance-weighted bound with k draws on the first BOUND_ROWS test rows, NaN elsewhere [S, N]."""
    positions = np.flatnonzero(latent.obs["split"] == "test")[:BOUND_ROWS]
    test = torch.as_tensor(positions, device=rows.device)
    bounds = torch.full((len(seeds), rows.label.shape[1]), torch.nan, device=rows.device)
    draws = make_generators(seeds, "bound", rows.device)
    bounds[:, test] = importance_bounds(model, select_rows(rows, test), draws, k).to(bounds)
    return bounds


@torch.no_grad()
def make_showcase(model: nn.Module, rows: Rows, seeds: list[int], positions: np.ndarray, n_samples: int) -> dict:
    """Reconstruct some rows at the posterior mean, and sample from every component.

    Samples of counts have the median library size of the reconstructed rows; samples have the first condition.

    Args:
        model: The trained model.
        rows: The dataset's rows.
        seeds: The model's S seeds.
        positions: Positions of the rows to reconstruct [n].
        n_samples: Number of samples of each component.

    Returns:
        `rows`, the positions; `reconstruction_{seed}` [n, D]; and, of a model with a bound, `samples_{seed}`
        [K, n_samples, D].
    """
    index = torch.as_tensor(positions, device=rows.device).expand(len(seeds), -1)
    batch = make_batch(rows, index, torch.zeros(len(seeds), 1, len(positions), model.n_noise, device=rows.device))
    size = library_size(batch.target)
    q_y = model.cluster(batch) if model.has_components else None
    back = model.decode(model.embed(batch), batch.condition, size, q_y)
    showcase = {"rows": np.asarray(positions)}
    showcase |= {f"reconstruction_{seed}": to_float32(back[s]) for s, seed in enumerate(seeds)}
    if model.has_bound:
        samples = sample_components(model, rows, seeds, n_samples, size.median())
        showcase |= {f"samples_{seed}": to_float32(samples[s]) for s, seed in enumerate(seeds)}
    return showcase


def sample_components(model: nn.Module, rows: Rows, seeds: list[int], n_samples: int, size: Tensor) -> Tensor:
    """Samples of every component with this library size under the first condition [S, K, n_samples, D]."""
    draws = make_generators(seeds, "sample", rows.device)
    components = range(rows.n_components) if model.has_components else [None]
    first = rows.condition.new_full((len(seeds), n_samples), 0 if rows.n_conditions else -1)
    condition = one_hot(first, rows.n_conditions)
    scale = size.expand(len(seeds), n_samples, 1)
    grid = []
    for component in components:
        z = model.sample(n_samples, component, draws=draws)
        y = None if component is None else one_hot(torch.full_like(first, component), rows.n_components)
        grid.append(model.decode(z, condition, scale, y))
    return torch.stack(grid, 1)


if __name__ == "__main__":
    run_step(embed)
