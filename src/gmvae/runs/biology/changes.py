"""Genes that change with the condition in each type of cells, and what a model says of the change."""

import re

import anndata
import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import nn

from gmvae.runs.biology.generated_cells import take_cells
from gmvae.runs.residual import predict_cells
from gmvae.runs.respond import load_cells

FEWEST = 20  # cells of a type that each condition needs
MOST = 1000  # cells of a type and a condition that are compared
CONVERTED = 300  # control cells of a type that the model converts
DRAWS = 4  # of z and of counts, that a prediction is the mean of
LEVEL = 0.05  # adjusted p-value of a gene that changes
SMALLEST = 0.25  # change of the mean log-normalised expression that counts
CONTROL = re.compile(r"control|ctrl|untreated|unstim|healthy|vehicle|mock|baseline|wild", re.IGNORECASE)
GENES = ["type", "condition", "gene", "control_mean", "real", "p_adjusted", "changes", "predicted"]
TYPES = [
    "type",
    "condition",
    "control",
    "n_control",
    "n_condition",
    "n_changed",
    "up",
    "down",
    "correlation",
    "slope",
    "signs",
]


def control_condition(names: list[str]) -> str:
    """The condition that the others are compared with: the first that is called a control, else the first."""
    return next((name for name in names if CONTROL.search(name)), names[0])


def compare_conditions(
    adata: anndata.AnnData, types: pd.Series, model: nn.Module, arguments: dict, device: torch.device
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The change of each gene from the control to each other condition, within each type.

    Args:
        adata: The prepared dataset, with obs["condition"].
        types: Type of each cell, a categorical [N].
        model: The model of one seed.
        arguments: Its arguments.
        device: Its device.

    Returns:
        A table of genes, the columns of GENES: `real` is the difference of the mean log-normalised expression, and
        `predicted` that between the control cells as the model converts and as it reconstructs them, NaN for a model
        that converts none. And a table of types, the columns of TYPES: `n_changed` genes, the first of them up and
        down, the `correlation` of real and predicted change over all genes, the `slope` of the predicted against the
        real one through the origin, 1 where it has the right size, and the share of changed genes whose predicted
        change has the right sign. Types with fewer than 20 cells under a condition are left out.
    """
    condition = adata.obs["condition"]
    names = list(condition.cat.categories)
    control = control_condition(names)
    genes, rows = [], []
    for kind in types.cat.categories:
        before = choose_cells((types == kind) & (condition == control))
        for name in [name for name in names if name != control]:
            after = choose_cells((types == kind) & (condition == name))
            if min(len(before), len(after)) < FEWEST:
                continue
            table = compare_genes(adata, before, after)
            table["predicted"] = predicted_change(model, arguments, adata, before, names.index(name), device)
            rows.append((kind, name, control, len(before), len(after), *describe_changes(table)))
            genes.append(table.assign(type=kind, condition=name)[GENES])
    return pd.concat(genes) if genes else pd.DataFrame(columns=GENES), pd.DataFrame(rows, columns=TYPES)


def choose_cells(mask: pd.Series, n: int = MOST) -> np.ndarray:
    """Sorted positions of at most n cells of a mask, always the same."""
    places = np.flatnonzero(mask)
    return np.sort(np.random.default_rng(0).permutation(places)[:n])


def compare_genes(adata: anndata.AnnData, before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    """The change of each gene between two groups of cells, and whether their ranks differ.

    Args:
        adata: Cells [N, D] with log-normalised counts.
        before: Positions of the control cells [n].
        after: Positions of the others [m].

    Returns:
        gene, control_mean, real, p_adjusted (rank-sum test, Benjamini and Hochberg over the genes) and `changes`:
        whether it is below 0.05 and the change at least 0.25 [D].

    Source: Wilcoxon 1945; Benjamini and Hochberg 1995.
    """
    from scipy.stats import false_discovery_control, mannwhitneyu  # slow, for datasets with conditions only

    x, y = (dense_rows(adata, places) for places in (before, after))
    real = y.mean(axis=0) - x.mean(axis=0)
    p = np.nan_to_num(mannwhitneyu(y, x, axis=0, method="asymptotic").pvalue, nan=1.0)
    adjusted = false_discovery_control(p)
    changes = (adjusted < LEVEL) & (np.abs(real) >= SMALLEST)
    columns = {"control_mean": x.mean(axis=0), "real": real, "p_adjusted": adjusted, "changes": changes}
    return pd.DataFrame({"gene": adata.var_names.astype(str), **columns})


def dense_rows(adata: anndata.AnnData, places: np.ndarray) -> np.ndarray:
    """Rows of X in float64 [n, D]."""
    block = adata.X[places]
    return np.asarray(block.toarray() if sparse.issparse(block) else block, dtype=np.float64)


def predicted_change(
    model: nn.Module, arguments: dict, adata: anndata.AnnData, before: np.ndarray, code: int, device: torch.device
) -> np.ndarray:
    """The mean change of each gene that the model predicts for control cells, [D]; NaN where it converts none."""
    if not model.conversions or model.p.name == "zero_inflated_negative_binomial":
        return np.full(adata.n_vars, np.nan)
    control = take_cells(adata, np.sort(np.random.default_rng(0).permutation(before)[:CONVERTED]))
    cells = load_cells(control, np.ones(control.n_obs, dtype=bool), arguments, device)
    prediction = predict_cells(model, cells, arguments["seeds"], code, DRAWS)
    return (prediction.after - prediction.before)[0].mean(axis=0)


def describe_changes(table: pd.DataFrame, n: int = 8) -> tuple:
    """How many genes of a type change, the names of the first up and down, and how near the prediction is."""
    changed = table[table["changes"]].sort_values("real", ascending=False, kind="stable")
    up = " ".join(changed[changed["real"] > 0]["gene"].head(n))
    down = " ".join(changed[changed["real"] < 0]["gene"][::-1].head(n))
    varies = table["predicted"].notna().all() and table["predicted"].std() > 0 and table["real"].std() > 0
    correlation = float(np.corrcoef(table["real"], table["predicted"])[0, 1]) if varies else np.nan
    slope = float(table["real"] @ table["predicted"] / (table["real"] @ table["real"])) if varies else np.nan
    agrees = np.sign(changed["real"]) == np.sign(changed["predicted"])
    return len(changed), up, down, correlation, slope, float(agrees.mean()) if varies and len(changed) else np.nan
