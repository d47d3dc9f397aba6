"""From the raw counts of cells to what models see, in the usual order of the field; only training rows are fitted to.

1. quality: cells outside the thresholds are removed, each judged by itself; where there are labels, so are cells
   without one. A threshold whose measure cannot be taken is refused.
2. split: training and test rows.
3. doublets: scored within the training rows and within the test rows, by batch; those above the threshold are removed.
4. genes: those with a count in enough training cells, and of these the most variable ones in the training rows, by
   batch.
5. normalisation: X = log1p(counts * 1e4 / total), total over all genes; the counts of the chosen genes stay in a layer.

Doublets are found by scanpy. Its measures, genes and normalisation need a whole matrix in memory: here they are
computed by blocks of rows, and the tests compare them with scanpy's.
"""

from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd

from gmvae.data.doublets import LARGEST, SMALLEST, describe_unscored, doublet_scores
from gmvae.data.normalisation import log_normalise
from gmvae.data.quality_control import (
    Share,
    check_mito_measure,
    check_shares,
    measure_cells,
    mitochondrial_genes,
    removal_reasons,
)
from gmvae.data.row_blocks import select_counts
from gmvae.data.variable_genes import choose_genes
from gmvae.formats.quality import config_name, quality_arrays
from gmvae.pipeline.errors import Refused

NOT_SCORED = "cells without a doublet score, kept"  # how the line of `steps` on such cells begins
Split = Callable[[pd.DataFrame], pd.Categorical]  # from the obs of cells to train or test for each


def preprocess_cells(
    adata: anndata.AnnData,
    split: Split,
    entry: str = "cells",
    *,
    min_genes: int = 200,
    max_genes: int | None = None,
    min_total: int = 1,
    max_total: int | None = None,
    max_mito: Share | None = None,
    mito_genes: str | None = None,
    max_doublet: Share | None = None,
    min_cells: int = 3,
    n_top_genes: int = 2000,
    seed: int = 0,
) -> anndata.AnnData:
    """Choose the cells and genes that are modelled, and normalise their counts.

    Args:
        adata: Raw counts [N, D] in layers["counts"], in memory or in a file.
        split: Function from the obs of the cells of good quality to `train` or `test` for each.
        entry: The entry of the config that holds the settings below, for messages.
        min_genes: Smallest number of genes with a count in a cell.
        max_genes: Largest number of genes with a count in a cell.
        min_total: Smallest total count of a cell.
        max_total: Largest total count of a cell.
        max_mito: Largest share of mitochondrial counts in a cell, from 0 to 1.
        mito_genes: Column of var that is true for mitochondrial genes; by default they are found by their names.
        max_doublet: Largest scrublet score of a cell; without it no doublets are looked for.
        min_cells: Smallest number of training cells with a count of a gene.
        n_top_genes: Number of genes that are modelled.
        seed: Seed of the simulated doublets.

    Returns:
        The chosen cells and genes. `uns` has `quality`, `thresholds` and `mito_genes` (see gmvae.formats.quality), and
        `steps`, one line each.

    Raises:
        Refused: A share is not from 0 to 1, a measure with a threshold cannot be taken, or no cell or no gene is left.
    """
    check_shares({"max_mito": max_mito, "max_doublet": max_doublet}, entry)
    thresholds = {"min_n_genes": min_genes, "max_n_genes": max_genes, "min_total": max(min_total, 1)}
    thresholds |= {"max_total": max_total, "max_mito": max_mito}
    mitochondrial = mitochondrial_genes(adata.var, mito_genes, entry)
    own_mito = adata.obs["mito"] if "mito" in adata.obs and mito_genes is None else None
    if max_mito is not None:
        check_mito_measure(adata.var_names, mitochondrial, own_mito, entry)
    quality = judge_cells(adata, thresholds, mitochondrial, own_mito)
    steps = [describe_step("quality", quality, thresholds)]
    division = split_cells(adata.obs, quality, split)
    steps.append(f"split: {(division == 'train').sum()} training and {(division == 'test').sum()} test cells")
    if max_doublet is not None:
        thresholds["max_doublet"] = max_doublet
        unscored = remove_doublets(adata, quality, division, max_doublet, seed, entry)
        step = "doublets by scrublet, in each batch and split"
        steps.append(describe_step(step, quality, {"max_doublet": max_doublet}))
        steps += [f"{NOT_SCORED}: {unscored}"] if unscored else []
    genes = choose_training_genes(adata, quality, division, min_cells, n_top_genes)
    steps.append(f"genes: {genes.sum()} most variable of {len(genes)}, seen in at least {min_cells} training cells")
    steps.append("normalisation: log1p(counts * 1e4 / total over all genes)")
    dataset = assemble_dataset(adata, quality, division, genes)
    dataset.uns = dict(adata.uns) | {"steps": np.array(steps, dtype=object), "quality": quality_arrays(quality)}
    dataset.uns["thresholds"] = {key: float(value) for key, value in thresholds.items() if value is not None}
    if own_mito is None and mitochondrial.any():
        dataset.uns["mito_genes"] = np.array(adata.var_names[mitochondrial], dtype=object)
    return dataset


def judge_cells(
    adata: anndata.AnnData, thresholds: dict[str, float | None], mitochondrial: np.ndarray, own_mito: pd.Series | None
) -> pd.DataFrame:
    """The measures of each raw cell [N], and `removed`: why it is removed, '' if it is not."""
    quality = measure_cells(adata.layers["counts"], mitochondrial)
    if own_mito is not None:  # the source's own measure, where the names of genes do not show it
        quality["mito"] = own_mito.to_numpy()
    quality["removed"] = removal_reasons(quality, thresholds)
    if "label" in adata.obs:
        quality.loc[(quality["removed"] == "") & adata.obs["label"].isna().to_numpy(), "removed"] = "unlabelled"
    return quality


def remaining_cells(quality: pd.DataFrame) -> np.ndarray:
    """A mask of the cells that were not removed [N]. Raises Refused where there are none."""
    remaining = (quality["removed"] == "").to_numpy()
    if not remaining.any():
        reasons = {config_name(key): n for key, n in quality["removed"].value_counts().items()}
        raise Refused(
            f"cells: none of {len(quality)} passes the thresholds, they fail {reasons}; relax those under cells"
        )
    return remaining


def describe_step(step: str, quality: pd.DataFrame, thresholds: dict[str, float | None]) -> str:
    """One line on a step: its thresholds, and how many cells are left."""
    limits = ", ".join(f"{key} {value:g}" for key, value in thresholds.items() if value is not None)
    return f"{step}: {limits}; {(quality['removed'] == '').sum()} of {len(quality)} cells left"


def split_cells(obs: pd.DataFrame, quality: pd.DataFrame, split: Split) -> np.ndarray:
    """`train` or `test` for each raw cell [N], '' for those that were removed."""
    remaining = remaining_cells(quality)
    division = np.full(len(quality), "", dtype=object)
    division[remaining] = np.asarray(split(obs[remaining].copy()))
    return division


def batch_codes(obs: pd.DataFrame) -> np.ndarray:
    """The number of each cell's batch [N]; 0 where there are no batches."""
    return obs["batch"].cat.codes.to_numpy().astype(np.int64) if "batch" in obs else np.zeros(len(obs), dtype=np.int64)


def remove_doublets(
    adata: anndata.AnnData, quality: pd.DataFrame, division: np.ndarray, max_doublet: float, seed: int, entry: str
) -> str:
    """Add each cell's doublet score, within its batch and split [N], to `quality`; mark those above as removed.

    Returns which cells have no score, '' if all have one. Raises Refused if none has one.
    """
    groups = np.where(remaining_cells(quality), 2 * batch_codes(adata.obs) + (division == "test"), -1)
    scores = doublet_scores(adata.layers["counts"], quality["total"].to_numpy(), groups, seed)
    unscored = describe_unscored(scores, groups, group_names(adata.obs))
    if np.isnan(scores).all():
        raise Refused(
            f"{entry}.max_doublet: no cell has a doublet score: {unscored}; allowed: batches with {SMALLEST} to "
            f"{LARGEST:,} cells in a split; leave max_doublet out"
        )
    quality["doublet"] = scores
    quality.loc[quality["doublet"] > max_doublet, "removed"] = "max_doublet"
    return unscored


def group_names(obs: pd.DataFrame) -> dict[int, str]:
    """The names of the groups in which doublets are looked for, by their numbers: 2 * batch, + 1 for test cells."""
    batches = [f"batch '{name}', " for name in obs["batch"].cat.categories] if "batch" in obs else [""]
    return {2 * i + j: f"{batches[i]}{part}" for i in range(len(batches)) for j, part in enumerate(("train", "test"))}


def choose_training_genes(
    adata: anndata.AnnData, quality: pd.DataFrame, division: np.ndarray, min_cells: int, n_top_genes: int
) -> np.ndarray:
    """A mask of the genes to model [D], chosen by batch on the training cells that are left."""
    training = remaining_cells(quality) & (division == "train")
    batches = np.where(training, batch_codes(adata.obs), -1)
    return choose_genes(adata.layers["counts"], quality["total"].to_numpy(), batches, min_cells, n_top_genes)


def assemble_dataset(
    adata: anndata.AnnData, quality: pd.DataFrame, division: np.ndarray, genes: np.ndarray
) -> anndata.AnnData:
    """The remaining cells and the chosen genes [D]: their counts, what models see of them, and their split."""
    remaining = remaining_cells(quality)
    counts = select_counts(adata.layers["counts"], remaining, genes)
    obs = adata.obs[remaining].copy()
    for key in obs.select_dtypes("category"):
        obs[key] = obs[key].cat.remove_unused_categories()
    obs["total"] = quality["total"].to_numpy()[remaining]
    matrix = log_normalise(counts, obs["total"].to_numpy())
    obs["split"] = pd.Categorical(division[remaining], categories=["test", "train"])
    return anndata.AnnData(matrix, obs=obs, var=adata.var[genes].copy(), layers={"counts": counts})
