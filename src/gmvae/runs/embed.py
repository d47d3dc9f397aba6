"""Step `embed`: what the trained model says of every row, so that no later step needs the model."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gmvae.formats.dataset import ANNOTATIONS, GRADES, load_dataset
from gmvae.formats.labels import read_observed_labels
from gmvae.formats.latent import showcase_rows
from gmvae.formats.weights import load_weights
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
    """Write latent.h5ad: per seed the latent, q(y|x), clusters, terms and bounds of every row, and a showcase.

    data: the prepared data set (h5ad). observed: which labels the model saw. weights: the trained model. output: the
    h5ad written. task, model: names. n_draws: draws of z that q(y|x) is averaged over. n_importance: draws of the
    importance-weighted bound. n_samples: samples shown of each component. device, threads, memory: as in
    training.
    """
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    trained, described = load_weights(weights, chosen)
    arguments = described["arguments"]
    seeds, k = arguments["seeds"], arguments["n_components"] if trained.has_components else 0
    torch.set_default_dtype(next(trained.parameters()).dtype)
    adata = load_dataset(data, memory)
    rows = rows_from_dataset(adata, np.full(adata.n_obs, -1), len(seeds), arguments["n_components"], chosen)
    annotations = [key for key in (*ANNOTATIONS, *GRADES, "split") if key in adata.obs]
    latent = anndata.AnnData(obs=adata.obs[annotations])
    latent.uns = {
        "task": task,
        "model": model,
        "seeds": np.array(seeds),
        "n_components": k,
        "labels_observed": read_observed_labels(adata.obs, observed).true,
    }
    fill_latent(latent, trained, rows, seeds)
    if k:
        fill_clusters(latent, trained, rows, seeds, n_draws)
    fill_terms(latent, trained, rows, seeds, n_importance)
    latent.uns["showcase"] = make_showcase(trained, rows, seeds, showcase_rows(adata), n_samples)
    write_h5ad(latent, output)


def to_float32(tensor: Tensor) -> np.ndarray:
    """A tensor as float32 for the file."""
    return tensor.float().cpu().numpy()


def fill_latent(latent: anndata.AnnData, model: nn.Module, rows: Rows, seeds: list[int]) -> None:
    """obsm z_{seed}: the mean of q(z|x); obsm w_{seed}: that of q(w|x) where a model shows its style; uns plane_{seed}
    [D, L]: the directions that a linear decoder spans."""
    for seed, z in zip(seeds, embed_rows(model, rows), strict=True):
        latent.obsm[f"z_{seed}"] = to_float32(z)
    if model.has_style:
        for seed, w in zip(seeds, apply_to_rows(model.style, rows, model, None), strict=True):
            latent.obsm[f"w_{seed}"] = to_float32(w)
    if model.is_linear:
        for seed, plane in zip(seeds, model.plane(), strict=True):
            latent.uns[f"plane_{seed}"] = plane.detach().double().cpu().numpy()


def fill_clusters(latent: anndata.AnnData, model: nn.Module, rows: Rows, seeds: list[int], n_draws: int) -> None:
    """q(y|x) averaged over draws of z, its likeliest component, and whether the posterior mean says another."""
    averaged = cluster_rows(model, rows, make_generators(seeds, "cluster", rows.device), n_draws)
    at_mean = cluster_rows(model, rows, None)
    for s, seed in enumerate(seeds):
        latent.obsm[f"q_y_{seed}"] = to_float32(averaged[s])
        latent.obs[f"cluster_{seed}"] = averaged[s].argmax(-1).cpu().numpy()
        latent.obs[f"disagree_{seed}"] = (averaged[s].argmax(-1) != at_mean[s].argmax(-1)).cpu().numpy()


def fill_terms(latent: anndata.AnnData, model: nn.Module, rows: Rows, seeds: list[int], n_importance: int) -> None:
    """obsm terms_{seed}: every term at weight 1, the ELBO, the bound on some test rows, and the objective.

    A model without a bound on log p(x) has no ELBO: its objective is what it maximises.
    """
    found = row_terms(model, rows, make_generators(seeds, "terms", rows.device))
    elbo = found.pop("elbo")
    best = elbo if model.has_bound else objective(found, model.kl_weight)
    if model.has_bound:
        found |= {"elbo": elbo, "bound": bounds_on_test(latent, model, rows, seeds, n_importance)}
    found["objective"] = best
    for s, seed in enumerate(seeds):
        frame = {name: to_float32(value[s]) for name, value in found.items()}
        latent.obsm[f"terms_{seed}"] = pd.DataFrame(frame, index=latent.obs_names)


def bounds_on_test(latent: anndata.AnnData, model: nn.Module, rows: Rows, seeds: list[int], k: int) -> Tensor:
    """The importance-weighted bound on the first 2,000 test rows, NaN elsewhere, [S, N]."""
    test = np.flatnonzero(latent.obs["split"] == "test")[:BOUND_ROWS]
    some = torch.as_tensor(test, device=rows.device)
    values = torch.full((len(seeds), rows.label.shape[1]), torch.nan, device=rows.device)
    values[:, some] = importance_bounds(
        model, select_rows(rows, some), make_generators(seeds, "bound", rows.device), k
    ).to(values)
    return values


@torch.no_grad()
def make_showcase(model: nn.Module, rows: Rows, seeds: list[int], shown: np.ndarray, n_samples: int) -> dict:
    """Some test rows with their reconstructions at the posterior mean, and samples of every component, per seed.

    Counts are shown at the shown rows' median library, conditions at the first.
    """
    index = torch.as_tensor(shown, device=rows.device).expand(len(seeds), -1)
    batch = make_batch(rows, index, torch.zeros(len(seeds), 1, len(shown), model.n_noise, device=rows.device))
    size = library_size(batch.target)
    q_y = model.cluster(batch) if model.has_components else None
    back = model.decode(model.embed(batch), batch.condition, size, q_y)
    found = {"rows": np.asarray(shown)}
    found |= {f"reconstruction_{seed}": to_float32(back[s]) for s, seed in enumerate(seeds)}
    if not model.has_bound:
        return found
    draws = make_generators(seeds, "sample", rows.device)
    components = range(rows.n_components) if model.has_components else [None]
    first = rows.condition.new_full((len(seeds), n_samples), 0 if rows.n_conditions else -1)
    condition = one_hot(first, rows.n_conditions)
    scale = size.median().expand(len(seeds), n_samples, 1)
    grid = []
    for component in components:
        z = model.sample(n_samples, component, draws=draws)
        y = None if component is None else one_hot(torch.full_like(first, component), rows.n_components)
        grid.append(model.decode(z, condition, scale, y))
    images = torch.stack(grid, 1)  # S, K, n, D
    return found | {f"samples_{seed}": to_float32(images[s]) for s, seed in enumerate(seeds)}


if __name__ == "__main__":
    run_step(embed)
