"""The page's tables, as plain rows: clusters, clusters against labels, uncertain cells, dropped cells."""

import h5py
import numpy as np
import pandas as pd

from gmvae.cells.page_parts.cell_file import obs_columns, read_categories, read_cell_names, read_numbers

N_UNCERTAIN = 30
ROUNDING = {"cluster_probability": 3, "cluster_entropy": 3, "seed_agreement": 2}
MARKERS_NAMED = 5  # in the table of clusters


def cluster_table_rows(file: h5py.File, markers: pd.DataFrame) -> list[dict]:
    """One row for each cluster.

    Args:
        file: An open .h5ad.
        markers: Columns cluster, gene, best first.

    Returns:
        name, cells, share of all cells, mean probability and agreement as far as they are known, names of markers, and
        the most frequent label with its share.
    """
    column = read_categories(file, "cluster")
    stored = obs_columns(file)
    label = read_categories(file, "label") if "label" in stored else None
    means = {key: read_numbers(file, key) for key in ROUNDING if key in stored}
    rows = []
    for code, name in enumerate(column.categories):
        inside = column.codes == code
        row = {"name": name, "cells": int(inside.sum()), "share": float(inside.mean()) if len(inside) else 0.0}
        row |= {key: mean_text(values[inside], key) for key, values in means.items()}
        row["markers"] = markers.loc[markers["cluster"] == name, "gene"].head(MARKERS_NAMED).tolist()
        row["label"] = commonest(label[inside]) if label is not None else ""
        rows.append(row)
    return rows


def mean_text(values: np.ndarray, key: str) -> str:
    """The mean of the known numbers, "" where there is none."""
    known = values[np.isfinite(values)]
    return f"{known.mean():.{ROUNDING[key]}f}" if len(known) else ""


def commonest(column: pd.Categorical) -> str:
    """The most frequent category with its share of the cells that have one; "" where none has."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
    return f"{column.categories[counts.argmax()]} ({counts.max() / counts.sum():.0%})" if counts.any() else ""


def confusion(file: h5py.File) -> dict | None:
    """How many cells of each cluster have each label.

    Args:
        file: An open .h5ad.

    Returns:
        labels, and rows with name and cells: a number and its share of the cluster for each label; None without labels.
    """
    label = read_categories(file, "label") if "label" in obs_columns(file) else None
    if label is None:
        return None
    cluster = read_categories(file, "cluster")
    known = (label.codes >= 0) & (cluster.codes >= 0)
    n_labels, n_clusters = len(label.categories), len(cluster.categories)
    pairs = cluster.codes[known].astype(np.int64) * n_labels + label.codes[known]
    counts = np.bincount(pairs, minlength=n_clusters * n_labels).reshape(n_clusters, n_labels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = [
        {"name": name, "cells": list(zip(counts[i].tolist(), np.round(shares[i], 3).tolist(), strict=True))}
        for i, name in enumerate(cluster.categories)
    ]
    return {"labels": list(label.categories), "rows": rows}


def uncertain_rows(file: h5py.File) -> list[dict]:
    """The cells whose cluster is least certain, the largest entropy first.

    Args:
        file: An open .h5ad.

    Returns:
        cell, cluster, the second most probable cluster with its probability, and the other columns that the page
        names, as texts; none where the file has no entropies.
    """
    stored = obs_columns(file)
    if "cluster_entropy" not in stored:
        return []
    entropy = read_numbers(file, "cluster_entropy")
    order = np.argsort(-np.nan_to_num(entropy), kind="stable")[:N_UNCERTAIN]
    order = order[entropy[order] > 0]
    rows = np.sort(order)
    table = pd.DataFrame({"cell": read_cell_names(file, rows)}, index=rows)
    for key in ("cluster", "label", "batch", "condition", "split"):
        column = read_categories(file, key) if key in stored else None
        if column is not None:
            table[key] = np.where(pd.isna(column[rows]), "", np.asarray(column[rows], dtype=object))
    for key, digits in ROUNDING.items():
        if key in stored:
            table[key] = [f"{value:.{digits}f}" for value in read_numbers(file, key)[rows]]
    if "q_y" in file["obsm"] and len(rows) and file["obsm/q_y"].shape[1] > 1:
        table["second"] = second_clusters(file["obsm/q_y"][rows])
    return table.loc[order].to_dict("records")


def second_clusters(q_y: np.ndarray) -> list[str]:
    """The second most probable cluster of each cell, with its probability; `q_y` [n, K]."""
    second = np.argsort(-q_y, axis=1, kind="stable")[:, 1]
    return [f"{k} ({row[k]:.3f})" for k, row in zip(second, q_y, strict=True)]
