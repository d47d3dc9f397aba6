"""The evidence for a chosen number of components, as a part of a task's section in the list of runs."""

from pathlib import Path

import pandas as pd

from gmvae.pipeline.errors import Refused
from gmvae.thesis.tabular import NO_VALUE, centre_cell, tabular
from gmvae.thesis.typeset import format_fixed

COLUMNS = {  # of components.csv: the head of the column and the number of decimals
    "elbo": ("ELBO", 2),
    "elbo_gap": ("below the highest", 2),
    "elbo_se": ("s.e.", 2),
    "ari_seeds": ("ARI, seeds", 3),
    "ari_parts": ("ARI, draws", 3),
    "n_used": ("in use", 1),
}


def choice_lines(sweep: Path) -> list[str]:
    """The lines of LaTeX that show what a sweep over the number of components gave.

    Args:
        sweep: results/choices/TASK/components.csv.

    Returns:
        A sentence and a table with a row for each number of components; the chosen one is bold.

    Raises:
        Refused: The file lacks a column.
    """
    table = pd.read_csv(sweep)
    missing = sorted({"n_components", "chosen", "communities", *COLUMNS} - set(table.columns))
    if missing or table.empty:
        raise Refused(f"{sweep}: found no {', '.join(missing) or 'row'}; delete it and run the study again")
    (number,) = table.n_components[table.chosen]
    rows = [
        [rf"\textbf{{{row['n_components']}}}" if row["chosen"] else str(row["n_components"])]
        + [NO_VALUE if pd.isna(row[key]) else format_fixed(row[key], places) for key, (_, places) in COLUMNS.items()]
        for row in table.to_dict("records")
    ]
    words = (
        rf"\paragraph{{Number of components.}} A sweep of short trainings without labels chose \(K={number}\). Each "
        "line has the mean ELBO of the training rows that a draw leaves out, by how much it is below the highest, the "
        "standard error of this difference, the ARI of two clusterings that differ in the seed, and in the draw of the "
        "rows too, and the number of components in use. Louvain finds "
        f"{table.communities.iloc[0]} communities, which had no part in the choice."
    )
    head = [r"\(K\)", *(centre_cell(name) for name, _ in COLUMNS.values())]
    return [words, r"\par\smallskip\noindent", tabular(head, rows), r"\par\bigskip"]
