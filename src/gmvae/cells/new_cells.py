"""Cells of a new file in the form of a prepared dataset: the same genes, the same scale, the same axes."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.cells.new_files import FileOfCells, read_file_of_cells
from gmvae.data.normalisation import log_normalise
from gmvae.data.principal_components import axes_by_blocks, dense_blocks
from gmvae.data.row_blocks import Counts, iterate_blocks
from gmvae.pipeline.errors import Refused

SHOWN = 5  # names in a message


def read_new_cells(file: FileOfCells, trained: anndata.AnnData, max_missing: float) -> anndata.AnnData:
    """Read new cells as a dataset that a model of the trained dataset can take.

    Args:
        file: The file of raw counts and how to read it.
        trained: The prepared dataset that the model was trained on, with D genes.
        max_missing: Largest share of the D genes that the file may lack; these count as 0.

    Returns:
        The cells [N, D], genes in the order of the trained dataset: X, layers["counts"], obs["total"] and, if it is
        named, obs["condition"] with the trained categories; uns["missing_genes"].

    Raises:
        Refused: The file cannot be read, lacks too many genes, or has a cell without counts or an unknown condition.
    """
    path = file.path
    source, own_totals = read_file_of_cells(file, trained.var_names)
    missing = missing_genes(source.var_names, trained.var_names, path, max_missing)
    matrix, sums = align_genes(source.layers["counts"], source.var_names, trained.var_names)
    totals = sums if own_totals is None else own_totals
    n_empty = int((~(totals > 0)).sum())
    if n_empty:
        raise Refused(f"{path}: found {n_empty} of {len(totals)} cells without counts; allowed: none; leave them out")
    obs = pd.DataFrame({"total": totals}, index=source.obs_names)
    if file.condition is not None:
        obs["condition"] = known_conditions(source.obs["condition"], trained, path)
    adata = anndata.AnnData(log_normalise(matrix, totals), obs, trained.var[[]].copy(), layers={"counts": matrix})
    adata.uns = {key: trained.uns[key] for key in ("likelihood", "shape")}
    adata.uns["missing_genes"] = np.array(missing, dtype=object)
    return adata


def missing_genes(names: pd.Index, wanted: pd.Index, path: Path, max_missing: float) -> list[str]:
    """The wanted genes that are not among the names. Raises Refused where they are too many."""
    missing = wanted[~wanted.isin(names)].tolist()
    if len(missing) > max_missing * len(wanted):
        share = f"{len(missing)} of {len(wanted)} genes of the model are missing ({len(missing) / len(wanted):.0%})"
        examples = f"such as {', '.join(missing[:SHOWN])}; the file has {', '.join(map(str, names[:SHOWN]))}"
        remedy = "name a column of var with the model's gene names by --gene-names, or raise --max-missing"
        raise Refused(f"{path}: {share}, {examples}; allowed: {max_missing:.0%}; {remedy}")
    return missing


def align_genes(counts: Counts, names: pd.Index, wanted: pd.Index) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Bring counts into another order of genes.

    Args:
        counts: Counts [N, G].
        names: Names of their genes [G].
        wanted: Names of the genes of the result [D]; a gene that is not there counts as 0.

    Returns:
        The counts as float32 CSR, [N, D], and the sum of each cell over all G genes, [N].
    """
    places = names.get_indexer(wanted)
    there = np.flatnonzero(places >= 0)
    ones = np.ones(len(there), dtype=np.float32)
    selection = sparse.csr_matrix((ones, (places[there], there)), shape=(len(names), len(wanted)))
    blocks, sums = [], []
    for _, block in iterate_blocks(counts):
        aligned = sparse.csr_matrix(block.astype(np.float32) @ selection)
        aligned.sort_indices()
        blocks.append(aligned)
        sums.append(np.asarray(block.sum(axis=1, dtype=np.float64)).ravel())
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr")), np.concatenate(sums)


def known_conditions(values: pd.Series, trained: anndata.AnnData, path: Path) -> pd.Categorical:
    """The conditions of new cells [N] with the categories of the trained ones. Raises Refused for an unknown one."""
    known = trained.obs["condition"].cat.categories if "condition" in trained.obs else pd.Index([])
    unknown = sorted(set(values.astype(str)) - set(known))
    if unknown:
        allowed = ", ".join(known) or "none: leave --condition out"
        raise Refused(f"{path}: condition '{unknown[0]}' is not known to the model; allowed: {allowed}")
    return pd.Categorical(values.astype(str), categories=known)


def project_on_trained_axes(adata: anndata.AnnData, trained: anndata.AnnData) -> np.ndarray:
    """The principal components of new cells on the axes of the training cells.

    The prepared dataset stores no axes. They are computed again, from the same rows in the same way.

    Args:
        adata: New cells [N, D] with log-normalised counts.
        trained: The prepared dataset, with obsm["X_pca"] of L components.

    Returns:
        Components [N, L] in float32.

    Raises:
        Refused: The dataset has no components.
    """
    if "X_pca" not in trained.obsm:
        raise Refused("--trained: found a dataset without obsm['X_pca'], which the model encodes; prepare it again")
    train = np.flatnonzero(trained.obs["split"] == "train")
    mean, axes = axes_by_blocks(trained.X, train, trained.obsm["X_pca"].shape[1])
    blocks = dense_blocks(adata.X, np.arange(adata.n_obs))
    return np.concatenate([((block - mean) @ axes).astype(np.float32) for block in blocks])
