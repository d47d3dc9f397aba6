"""The tables of a task's cells as LaTeX: clusters with their marker genes, types, and genes that change."""

import pandas as pd

from gmvae.thesis.tabular import table_row
from gmvae.thesis.typeset import TABLE_LETTERS, format_fixed, latex_name, latex_text

MOST_ROWS = 40  # of a table; the csv has all
SUMMARY_ROWS = 16  # clusters of the short form, the largest
ONE_COLUMN = 6  # more clusters than this stand in two halves beside each other


def gene_list(genes: str, n: int) -> str:
    """Names of genes in italics.

    Args:
        genes: The names, separated by spaces.
        n: The number of names that are shown, from the first on.
    """
    return ", ".join(rf"\textit{{{latex_text(gene)}}}" for gene in genes.split()[:n])


def marker_table(clusters: pd.DataFrame) -> str:
    """One row a cluster: its cells, their majority label, its marker genes, and the known ones among these.

    Args:
        clusters: Rows of clusters.csv.
    """
    labelled, known = bool((clusters["label"] != "").any()), bool((clusters["n_known"] > 0).any())
    head = ["", "cells", *(["most cells are"] * labelled), "first marker genes", *(["known ones"] * known)]
    rows = []
    for row in clusters.head(MOST_ROWS).itertuples():
        label = f"{latex_name(row.label, 30)} ({format_fixed(100 * row.label_share, 0)}\\,\\%)" if row.label else "--"
        cells = [str(row.cluster), rf"\num{{{row.cells}}}", *([label] * labelled), gene_list(row.markers, 5)]
        rows.append(cells + [f"{row.hits} of {row.n_known}" if row.n_known else "--"] * known)
    columns = "rr" + "l" * labelled + "l" + "r" * known
    return wide_tabular(columns, head, rows)


def summary_table(clusters: pd.DataFrame) -> str:
    """The short form of the table of markers: the largest clusters, their label, and three genes.

    Args:
        clusters: Rows of clusters.csv.
    """
    labelled = bool((clusters["label"] != "").any())
    shown = clusters.nlargest(SUMMARY_ROWS, "cells").sort_index()
    rows = []
    for row in shown.itertuples():
        label = f"{latex_name(row.label, 24)} ({format_fixed(100 * row.label_share, 0)}\\,\\%)" if row.label else "--"
        cells = [str(row.cluster), rf"\num{{{row.cells}}}", *([label] * labelled), gene_list(row.markers, 3)]
        rows.append(cells)
    halves = [rows] if len(rows) <= ONE_COLUMN else [rows[: -(-len(rows) // 2)], rows[-(-len(rows) // 2) :]]
    head = ["", "cells", *(["most cells are"] * labelled), "first markers"]
    columns = "rr" + "l" * labelled + "l"
    if len(halves) == 1:
        return wide_tabular(columns, head, rows)
    halves[1] += [[""] * len(head)] * (len(halves[0]) - len(halves[1]))
    beside = [left + right for left, right in zip(*halves, strict=True)]
    return wide_tabular(columns + "@{\\quad}" + columns, head + head, beside)


def recall_table(recall: pd.DataFrame) -> str:
    """One row a type: its test cells, its recall, the clusters that stand for it, and what it is taken for.

    Args:
        recall: Rows of recall.csv.
    """
    rows = [
        [
            latex_name(row.label, TABLE_LETTERS),
            rf"\num{{{row.cells}}}",
            "--" if pd.isna(row.recall) else rf"\num{{{format_fixed(row.recall, 2)}}}",
            "--" if pd.isna(row.recall_train) else rf"\num{{{format_fixed(row.recall_train, 2)}}}",
            ", ".join(row.clusters.split()) or "none",
            latex_name(row.taken_for, 30) or "--",
        ]
        for row in recall.head(MOST_ROWS).itertuples()
    ]
    return wide_tabular("lrrrll", ["type", "test cells", "recall", "in training", "clusters", "taken for"], rows)


def type_table(types: pd.DataFrame) -> str:
    """One row a type and condition: how many genes change, the first of them, and how near the prediction is.

    Args:
        types: Rows of changes.csv.
    """
    predicted, several = bool(types["correlation"].notna().any()), types["condition"].nunique() > 1
    head = [
        "type",
        *(["condition"] * several),
        "cells",
        "genes",
        "most up",
        "most down",
        *(["$r$", "slope"] * predicted),
    ]
    rows = []
    for row in types.head(MOST_ROWS).itertuples():
        cells = [latex_name(str(row.type), 24), *([latex_name(str(row.condition), 20)] * several)]
        cells += [rf"\num{{{row.n_control}}}, \num{{{row.n_condition}}}", rf"\num{{{row.n_changed}}}"]
        cells += [gene_list(row.up, 3) or "--", gene_list(row.down, 2) or "--"]
        numbers = [row.correlation, row.slope]
        cells += ["--" if pd.isna(value) else rf"\num{{{format_fixed(value, 2)}}}" for value in numbers] * predicted
        rows.append(cells)
    return wide_tabular("l" + "l" * several + "rrll" + "rr" * predicted, head, rows)


def wide_tabular(columns: str, head: list[str], rows: list[list[str]]) -> str:
    """A tabular with columns of these kinds, shrunk to the text's width where it is wider."""
    body = [r"\toprule", table_row(head), r"\midrule", *map(table_row, rows), r"\bottomrule"]
    return rf"\shrunktabular{{{columns}}}{{" + "\n".join(body) + "}"
