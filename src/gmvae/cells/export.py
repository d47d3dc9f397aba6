"""Step `export`: the cells of a task with their clusters and marker genes, as a file for scanpy and other viewers."""

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.cells.markers import LISTED, best_clusters, rank_markers
from gmvae.cells.plane import place_cells
from gmvae.formats.dataset import ANNOTATIONS, GRADES, load_dataset
from gmvae.formats.latent import Latent, pick_seed, read_latent, run_clusters, run_seeds
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.quality import config_name, count_removals, removal_by_cell
from gmvae.formats.writing import write_csv, write_h5ad
from gmvae.metrics.scores import contingency, match_components
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused


def export(
    data: Path, latent: Path, provenance: Path, output: Path, cells: Path, markers: Path, memory: float = 4.0
) -> None:
    """Write the cells of a task with the clusters of its picked seed, their certainty and their marker genes.

    The seed is the one with the largest mean objective on the training cells; labels are not used.

    Args:
        data: The prepared dataset (.h5ad).
        latent: The latent of a model with components on this dataset (latent.h5ad).
        provenance: The provenance.json of the same run, for its commit.
        output: The .h5ad file to write: log-normalised X, layers[counts], obs[cluster, cluster_probability,
            cluster_entropy, seed_agreement], obsm[X_gmdvae, X_pca, X_umap, q_y], var[marker_of],
            uns[rank_genes_groups, gmvae] and the colours of scanpy's plots.
        cells: The csv file to write, one row a cell.
        markers: The csv file to write, the first genes of each cluster.
        memory: GiB; a larger dataset stays on disk.

    Raises:
        Refused: The dataset has no counts, the run has other rows or no components, or a file is missing or damaged.
    """
    prepared, run = load_dataset(data, memory), read_latent(latent)
    check_exported_cells(prepared, run, data, latent)
    seed = pick_seed(run)
    adata = assemble_cells_of_run(prepared, run, seed)
    table = rank_markers(adata)
    adata.var = adata.var.join(best_clusters(table, adata.var_names))
    adata.uns |= category_colours(adata.obs, adata.obsm["q_y"].shape[1])
    adata.uns["gmvae"] = describe_export(prepared, run, seed, provenance)
    write_h5ad(adata, output)
    plane = pd.DataFrame(adata.obsm["X_umap"], index=adata.obs_names, columns=["umap_1", "umap_2"])
    write_csv(adata.obs.join(plane).rename_axis("row").reset_index(), cells)
    write_csv(table[table["rank"] <= LISTED], markers)


def check_exported_cells(prepared: anndata.AnnData, run: Latent, data: Path, latent: Path) -> None:
    """Raise Refused unless the dataset has counts and the run has components and the same rows."""
    if prepared.uns["likelihood"] not in COUNT_LIKELIHOODS:
        allowed = f"{', '.join(COUNT_LIKELIHOODS)}; export a task on cells"
        raise Refused(f"{data}: found likelihood {prepared.uns['likelihood']}; allowed: {allowed}")
    if not run.obs_names.equals(prepared.obs_names):
        raise Refused(f"{latent} has other rows than {data}: run the step `embed` again")
    if run_clusters(run, run_seeds(run)[0]) is None:
        raise Refused(f"{latent}: found a run without components; allowed: one with clusters, such as of gmdvae")


def assemble_cells_of_run(prepared: anndata.AnnData, run: Latent, seed: int) -> anndata.AnnData:
    """The cells [N, D] with all that the dataset and one seed of the run know of them."""
    z = np.asarray(run.obsm[f"z_{seed}"], dtype=np.float32)
    q_y = np.asarray(run.obsm[f"q_y_{seed}"], dtype=np.float32)
    obs = cluster_columns(run_clusters(run, seed), q_y, prepared.obs_names)
    obs["seed_agreement"] = seed_agreement(run, seed)
    own = [key for key in ("split", *ANNOTATIONS, *GRADES, "total") if key in prepared.obs]
    obs = obs.join([prepared.obs[own], quality_columns(prepared)])
    var = prepared.var.copy()
    if "quality" in prepared.uns:  # then the genes were chosen by their variance
        var["highly_variable"] = True
    obsm = {"X_gmdvae": z, "X_umap": place_cells(z), "q_y": q_y}
    if "X_pca" in prepared.obsm:
        obsm["X_pca"] = np.asarray(prepared.obsm["X_pca"])
    counts = sparse.csr_matrix(prepared.layers["counts"]).astype(np.int32)
    return anndata.AnnData(sparse.csr_matrix(prepared.X), obs=obs, var=var, layers={"counts": counts}, obsm=obsm)


def cluster_columns(cluster: np.ndarray, q_y: np.ndarray, names: pd.Index) -> pd.DataFrame:
    """The cluster of each cell and how certain it is.

    Args:
        cluster: Number of the component of each cell [N].
        q_y: Probabilities of the components [N, K].
        names: Names of the cells [N].

    Returns:
        `cluster`, a categorical of the numbers of the components that have cells, as text, without the empty ones, on
        which scanpy's plots fail; `cluster_probability`; and `cluster_entropy` of q_y, in nats.
    """
    q = q_y.astype(np.float64)
    clusters = pd.Categorical.from_codes(cluster, [str(k) for k in range(q.shape[1])])
    entropy = -np.sum(q * np.log(np.where(q > 0, q, 1)), axis=1)
    return pd.DataFrame(
        {
            "cluster": clusters.remove_unused_categories(),
            "cluster_probability": q[np.arange(len(q)), cluster],
            "cluster_entropy": np.maximum(entropy, 0),
        },
        index=names,
    )


def seed_agreement(run: Latent, picked: int) -> np.ndarray:
    """How many of the other seeds agree with the picked one on the cluster of a cell.

    The components of each other seed are first matched one to one with those of the picked seed, so that as many cells
    as possible agree.

    Args:
        run: The latent of a run with K components and N rows.
        picked: One of its seeds.

    Returns:
        Shares of the other seeds, [N]; NaN for a run of one seed.
    """
    own, k = run_clusters(run, picked), int(run.uns["n_components"])
    others = [run_clusters(run, seed) for seed in run_seeds(run) if seed != picked]
    if not others:
        return np.full(run.n_obs, np.nan)
    return np.mean([match_components(contingency(own, other, k, k))[other] == own for other in others], axis=0)


def quality_columns(prepared: anndata.AnnData) -> pd.DataFrame:
    """The measures of quality of the cells that were kept [N], but for the total, which obs has; none if not taken."""
    quality = prepared.uns.get("quality")
    if quality is None:
        return pd.DataFrame(index=prepared.obs_names)
    kept = removal_by_cell(quality) == ""
    measures = [key for key in quality if key not in ("total", "removed", "reasons")]
    return pd.DataFrame({key: np.asarray(quality[key])[kept] for key in measures}, index=prepared.obs_names)


def category_colours(obs: pd.DataFrame, n_components: int) -> dict[str, np.ndarray]:
    """Choose a colour for each category of each column.

    Args:
        obs: Annotations of the cells.
        n_components: K; a cluster keeps its colour whichever other clusters are empty.

    Returns:
        Hexadecimal colours in the order of the categories by `<column>_colors`, where scanpy looks for them in uns.
    """
    colours = {}
    for key in obs.select_dtypes("category"):
        names = list(obs[key].cat.categories)
        numbers = [int(name) for name in names] if key == "cluster" else range(len(names))
        palette = choose_palette(n_components if key == "cluster" else len(names))
        colours[f"{key}_colors"] = np.array([palette[i % len(palette)] for i in numbers], dtype=object)
    return colours


def choose_palette(n: int) -> list[str]:
    """The colours that scanpy itself uses for n categories; above 102 they repeat."""
    from scanpy.plotting import palettes  # slow, and only this step draws with them

    return list(palettes.default_20 if n <= 20 else palettes.default_28 if n <= 28 else palettes.default_102)


def describe_export(prepared: anndata.AnnData, run: Latent, seed: int, provenance: Path) -> dict:
    """uns["gmvae"]: which run and seed the clusters are of, and how many cells each threshold dropped."""
    try:
        commit = json.loads(provenance.read_text(encoding="utf-8"))["commit"]
    except (OSError, ValueError, KeyError) as failure:
        raise Refused(f"{provenance}: found no commit ({type(failure).__name__}); run the model again") from None
    quality, thresholds = prepared.uns.get("quality"), prepared.uns.get("thresholds", {})
    return {
        "dataset": str(prepared.uns["name"]),
        "task": str(run.uns["task"]),
        "model": str(run.uns["model"]),
        "seed": seed,
        "K": int(run.uns["n_components"]),
        "labels_observed": bool(run.uns["labels_observed"]),
        "commit": commit or "unknown",
        "thresholds": {config_name(key): float(value) for key, value in thresholds.items()},
        "dropped": {} if quality is None else count_removals(quality),
    }


if __name__ == "__main__":
    run_step(export)
