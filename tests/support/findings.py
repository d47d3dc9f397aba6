"""Tables of the step `findings`, made up: clusters with labels, conditions, predicted changes and generated cells."""

import numpy as np
import pandas as pd

from gmvae.runs.biology import changes

LABELS = ["B & <b>_1", "CD14+ Monocyte", "CD8+/CD45RA+ Naive Cytotoxic of a long name"]
GENES = ["MS4A1", "CD79A", "LYZ", "CD14", "NKG7", "gene_6"]


def made_up_cells(n: int = 300, k: int = 4, labels: bool = True, conditions: bool = True) -> pd.DataFrame:
    """Rows of cells.csv."""
    generator = np.random.default_rng(0)
    cells = pd.DataFrame({"row": [f"cell {i}" for i in range(n)], "cluster": [str(i % k) for i in range(n)]})
    cells[["umap_1", "umap_2"]] = generator.normal(size=(n, 2)) + 4 * np.arange(n)[:, None] % k
    if labels:
        cells["label"] = [LABELS[i % k % 3] for i in range(n)]
    if conditions:
        cells["condition"] = np.where(generator.random(n) < 0.5, "control", "stimulated")
        cells["batch"] = np.where(generator.random(n) < 0.5, "donor 1", "donor 2")
    return cells


def made_up_tables(k: int = 4, labels: bool = True, conditions: bool = True) -> dict[str, pd.DataFrame]:
    """The tables by name."""
    generator = np.random.default_rng(1)
    names = [str(i) for i in range(k)]
    clusters = pd.DataFrame({"cluster": names, "cells": np.arange(k) + 20, "probability": 0.9})
    clusters["label"] = [LABELS[i % 3] if labels else "" for i in range(k)]
    clusters["label_share"] = 0.8 if labels else np.nan
    clusters["markers"] = [" ".join(GENES[i % 6 : i % 6 + 3]) for i in range(k)]
    clusters["type"] = [("B", "CD14+ monocyte", "cytotoxic T")[i % 3] if labels else "" for i in range(k)]
    clusters = clusters.assign(n_markers=50, n_known=5, hits=3, genes="MS4A1 CD79A", p=1e-5)
    clusters["suggested"] = ["B"] * (k - 1) + [""]
    clusters = clusters.assign(suggested_genes="MS4A1 CD79A", suggested_p=1e-4)
    shared = pd.DataFrame(
        [("0", "1", 15, 20, 0.75), ("0", "2", 2, 20, 0.1)], columns=["first", "second", "shared", "of", "share"]
    )
    dots = [
        (c, gene, names[j % k], generator.random(), generator.random()) for c in names for j, gene in enumerate(GENES)
    ]
    tables = {"clusters": clusters, "shared_markers": shared}
    tables["dots"] = pd.DataFrame(dots, columns=["cluster", "gene", "marker_of", "share", "mean"])
    counts = [(label, c, "test", int(generator.integers(1, 30))) for label in LABELS for c in names] if labels else []
    tables["confusion"] = pd.DataFrame(counts, columns=["label", "cluster", "split", "cells"])
    recall = [
        (LABELS[0], 20, 0.2, 0.3, "0 3", LABELS[1]),
        (LABELS[1], 9, 0.9, 1.0, "1", ""),
        (LABELS[2], 0, np.nan, 0.5, "", ""),
    ]
    columns = ["label", "cells", "recall", "recall_train", "clusters", "taken_for"]
    tables["recall"] = pd.DataFrame(recall if labels else [], columns=columns)
    curve = [
        (i / 10, (i + 1) / 10, 5 * (i > 2), i / 10 + 0.05 if i > 2 else np.nan, i / 12 if i > 2 else np.nan)
        for i in range(10)
    ]
    tables["calibration"] = pd.DataFrame(
        curve if labels else [], columns=["low", "high", "cells", "confidence", "accuracy"]
    )
    shares = [("condition", v, c, 5, s, 0.5) for c in names for v, s in (("control", 0.95), ("stimulated", 0.05))]
    shares += [("batch", v, c, 5, 0.5, 0.5) for c in names for v in ("donor 1", "donor 2")]
    columns = ["kind", "value", "cluster", "cells", "share", "overall"]
    tables["composition"] = pd.DataFrame(shares if conditions else [], columns=columns)
    tables |= made_up_changes(conditions)
    tables["generated"] = pd.DataFrame(generator.normal(size=(80, 2)), columns=["u", "v"]).assign(
        kind=["real", "generated"] * 40
    )
    values = {
        "certain": 0.8,
        "clusters": k,
        "agreement": 0.9,
        "auc_linear": 0.7,
        "auc_boosted": 0.9,
        "auc_redrawn": 0.62,
    }
    values |= {"auc_control": 0.5, "n_generated": 40}
    values |= (
        {"ece": 0.1, "n_test": 29, "confidence": 0.9, "right": 0.8, "ece_mean": 0.12, "ece_sd": 0.02} if labels else {}
    )
    tables["findings"] = pd.DataFrame(values.items(), columns=["measure", "value"])
    return tables


def made_up_changes(conditions: bool) -> dict[str, pd.DataFrame]:
    """The tables of genes that change, and of the types in which they do."""
    generator = np.random.default_rng(2)
    rows = []
    for label in LABELS[:2]:
        for j, gene in enumerate(GENES):
            real = 3.0 - j
            rows.append(
                (label, "stimulated", gene, 1.0, real, 1e-9, abs(real) > 0.5, 0.8 * real + 0.05 * generator.normal())
            )
    genes = pd.DataFrame(rows if conditions else [], columns=changes.GENES).astype({"changes": bool})
    types = [
        (label, "stimulated", "control", 50, 60, 5, "MS4A1 CD79A", "gene_6", 0.99, 0.8, 1.0) for label in LABELS[:2]
    ]
    return {"changed_genes": genes, "changes": pd.DataFrame(types if conditions else [], columns=changes.TYPES)}
