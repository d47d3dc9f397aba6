"""From the raw counts of cells to what models see, in the order of the field, with nothing fitted outside training.

1. quality: cells outside the thresholds go, each judged by itself; where there are labels, so do cells without one.
2. split: training and test rows.
3. doublets: scored within the training rows and within the test rows, by batch; those above the threshold go.
4. genes: those seen in enough training cells, and of these the most variable ones of the training rows, by batch.
5. normalisation: X = log1p(counts * 1e4 / total), total over all genes; the counts of the chosen genes stay in a layer.

Doublets are scanpy's own. Its measures, genes and normalisation take a whole matrix in memory: they are computed here
by blocks of rows, and the tests hold them against scanpy's.
"""

from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd

from gmvae.data.normalisation import log_normalise
from gmvae.data.quality_control import doublet_scores, measure_cells, removal_reasons
from gmvae.data.row_blocks import select_counts
from gmvae.data.variable_genes import choose_genes
from gmvae.pipeline.errors import Refused


def preprocess_cells(
    adata: anndata.AnnData,
    split: Callable[[pd.DataFrame], pd.Categorical],
    *,
    min_genes: int = 200,
    max_genes: int | None = None,
    min_total: int = 1,
    max_total: int | None = None,
    max_mito: float | None = None,
    max_doublet: float | None = None,
    min_cells: int = 3,
    n_top_genes: int = 2000,
    seed: int = 0,
) -> anndata.AnnData:
    """The cells and genes that are modelled, of raw counts [N, D] in layers["counts"], in memory or in a file.

    split: obs of the cells of good quality -> train or test for each. min_genes, max_genes: genes with a count in a
    cell. min_total, max_total: its counts. max_mito: the largest share of mitochondrial counts. max_doublet: the
    largest scrublet score; none, and no doublets are looked for. min_cells: training cells in which a gene is seen.
    n_top_genes: genes that are modelled. seed: of the simulated doublets. `uns` gets quality (what was measured on
    each raw cell, and why it went), thresholds, and steps, in their order. Raises Refused where nothing is left.
    """
    thresholds = {"min_n_genes": min_genes, "max_n_genes": max_genes, "min_total": max(min_total, 1)}
    thresholds |= {"max_total": max_total, "max_mito": max_mito}
    quality = judge_cells(adata, thresholds)
    steps = [describe_step("quality", quality, thresholds)]
    kept = passing_cells(quality)
    division = np.full(len(quality), "", dtype=object)
    division[kept] = np.asarray(split(adata.obs[kept].copy()))
    steps.append(f"split: {(division == 'train').sum()} training and {(division == 'test').sum()} test cells")
    counts, batch = adata.layers["counts"], batch_codes(adata.obs)
    if max_doublet is not None:
        thresholds["max_doublet"] = max_doublet
        compared = np.where(kept, 2 * batch + (division == "test"), -1)
        quality["doublet"] = doublet_scores(counts, quality["total"].to_numpy(), compared, seed)
        quality.loc[quality["doublet"] > max_doublet, "removed"] = "max_doublet"
        steps.append(
            describe_step("doublets by scrublet, in each batch and split", quality, {"max_doublet": max_doublet})
        )
        kept = passing_cells(quality)
    training = np.where(kept & (division == "train"), batch, -1)
    genes = choose_genes(counts, quality["total"].to_numpy(), training, min_cells, n_top_genes)
    steps.append(f"genes: {genes.sum()} most variable of {len(genes)}, seen in at least {min_cells} training cells")
    steps.append("normalisation: log1p(counts * 1e4 / total over all genes)")
    found = assemble_dataset(adata, kept, genes, quality["total"].to_numpy())
    found.obs["split"] = pd.Categorical(division[kept], categories=["test", "train"])
    found.uns = dict(adata.uns) | {"steps": np.array(steps, dtype=object), "quality": quality_arrays(quality)}
    found.uns["thresholds"] = {key: float(value) for key, value in thresholds.items() if value is not None}
    return found


def judge_cells(adata: anndata.AnnData, thresholds: dict[str, float | None]) -> pd.DataFrame:
    """What is measured on each raw cell [N], and `removed`: why it is left out, '' if it is not."""
    quality = measure_cells(adata.layers["counts"], adata.var_names)
    if "mito" in adata.obs:  # the source's own measure, where the names of genes do not tell
        quality["mito"] = adata.obs["mito"].to_numpy()
    quality["removed"] = removal_reasons(quality, thresholds)
    if "label" in adata.obs:
        quality.loc[(quality["removed"] == "") & adata.obs["label"].isna().to_numpy(), "removed"] = "unlabelled"
    return quality


def passing_cells(quality: pd.DataFrame) -> np.ndarray:
    """A mask [N] of the cells that no threshold left out. Raises Refused where there are none."""
    kept = (quality["removed"] == "").to_numpy()
    if not kept.any():
        why = quality["removed"].value_counts().to_dict()
        raise Refused(f"cells: none of {len(quality)} passes the thresholds, they fail {why}; relax those under cells")
    return kept


def describe_step(step: str, quality: pd.DataFrame, thresholds: dict[str, float | None]) -> str:
    """One line on a step: its thresholds, and how many cells are left."""
    limits = ", ".join(f"{key} {value:g}" for key, value in thresholds.items() if value is not None)
    return f"{step}: {limits}; {(quality['removed'] == '').sum()} of {len(quality)} cells left"


def batch_codes(obs: pd.DataFrame) -> np.ndarray:
    """The number of each cell's batch [N]; 0 where batches are not known."""
    return obs["batch"].cat.codes.to_numpy().astype(np.int64) if "batch" in obs else np.zeros(len(obs), dtype=np.int64)


def assemble_dataset(adata: anndata.AnnData, kept: np.ndarray, genes: np.ndarray, total: np.ndarray) -> anndata.AnnData:
    """The chosen cells and genes: their counts, and what models see of them."""
    counts = select_counts(adata.layers["counts"], kept, genes)
    obs = adata.obs[kept].copy()
    for key in obs.select_dtypes("category"):
        obs[key] = obs[key].cat.remove_unused_categories()
    obs["total"] = total[kept]
    matrix = log_normalise(counts, obs["total"].to_numpy())
    return anndata.AnnData(matrix, obs=obs, var=adata.var[genes].copy(), layers={"counts": counts})


def quality_arrays(quality: pd.DataFrame) -> dict[str, np.ndarray]:
    """The measures as plain arrays: small ones, and without an index of a million names."""
    found = {key: quality[key].to_numpy(dtype=np.float32) for key in quality if key != "removed"}
    removed = pd.Categorical(quality["removed"])
    return found | {"removed": removed.codes, "reasons": np.array(removed.categories, dtype=object)}
