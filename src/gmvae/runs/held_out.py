"""Cells of a type that was held out under one condition, and what two steps write about its predicted response."""

from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.formats.metrics_table import COLUMNS
from gmvae.formats.writing import write_csv
from gmvae.pipeline.errors import Refused
from gmvae.runs.response_measures import (
    change_ceiling,
    differential_genes,
    example_change,
    response_measures,
)


class HeldOut(NamedTuple):
    """The cells of a held-out type: masks [N] of rows, and the code of the condition that is predicted."""

    control: np.ndarray  # cells that the prediction starts from
    stimulated: np.ndarray  # cells that are predicted
    condition: int


def find_held_out(adata: anndata.AnnData, label: str, condition: str) -> HeldOut:
    """Find the held-out type's cells under the other condition, of both splits, and under this one.

    Every control cell may be predicted from: users have them too, and models saw no stimulated cell of the type.

    Args:
        adata: The prepared dataset [N rows].
        label: The held-out type.
        condition: The condition under which it was held out.

    Returns:
        The masks of both groups of cells, and the condition's code.

    Raises:
        Refused: There are not two conditions, the type has no cells under one of them, or the cells to predict were
            trained on.
    """
    for key in ("label", "condition"):
        if key not in adata.obs:
            raise Refused(f"the dataset has no obs['{key}'], which a response needs; leave the task out")
    conditions = list(adata.obs["condition"].cat.categories)
    if len(conditions) != 2 or condition not in conditions:
        raise Refused(f"condition: found '{condition}' of {', '.join(conditions)}; allowed: one of two conditions")
    of_type = (adata.obs["label"] == label).to_numpy()
    of_condition = (adata.obs["condition"] == condition).to_numpy()
    if not (of_type & of_condition).any() or not (of_type & ~of_condition).any():
        raise Refused(f"label: '{label}' has no cells under one of {', '.join(conditions)}; hold out a type of both")
    if (adata.obs["split"] == "train").to_numpy()[of_type & of_condition].any():
        raise Refused(f"cells of '{label}' under '{condition}' are training cells; prepare the set with hold_out")
    return HeldOut(of_type & ~of_condition, of_type & of_condition, conditions.index(condition))


def dense_double(matrix: np.ndarray | sparse.csr_matrix, rows: np.ndarray) -> np.ndarray:
    """Select rows as a dense matrix in double precision.

    Args:
        matrix: A dense or sparse matrix [N, D].
        rows: A mask of rows [N].

    Returns:
        The rows [n, D] in float64.
    """
    selected = matrix[rows]
    return np.asarray(selected.toarray() if hasattr(selected, "toarray") else selected, dtype=np.float64)


def write_responses(
    predictions: dict[str, dict[int, np.ndarray]],
    adata: anndata.AnnData,
    cells: HeldOut,
    task: str,
    model: str,
    output: Path,
    profiles: Path,
    with_ceiling: bool = False,
) -> None:
    """Write how near predictions are to the real cells, and the mean profiles behind that.

    Args:
        predictions: What each control cell becomes [n, D], by way of converting and seed. A way is the prefix of its
            measures' names: "", or for example "z_".
        adata: The dataset [N, D].
        cells: The held-out cells.
        task: Name of the task, for the column.
        model: Name of the model, for the column.
        output: The csv file of measures: task, model, seed, split, metric, value.
        profiles: The csv file of profiles, one line per gene: `differential` (rank among the genes that differ most,
            from 1; 0 for other genes), the real `stimulated` profile and `change`, and `predicted_{way}{seed}` and
            `predicted_change_{way}{seed}`; changes are those of the first halving.
        with_ceiling: Whether to write `ceiling_change_r2` and `ceiling_change_r2_score`, too, for every seed.
    """
    control, stimulated = dense_double(adata.X, cells.control), dense_double(adata.X, cells.stimulated)
    rows = []
    for way, by_seed in predictions.items():
        for seed, prediction in sorted(by_seed.items()):
            measures = response_measures(prediction, control, stimulated)
            rows += [(task, model, seed, "test", f"response_{way}{name}", value) for name, value in measures.items()]
    if with_ceiling:
        ceiling = change_ceiling(control, stimulated)
        names = [f"response_ceiling_change_{measure}" for measure in ("r2", "r2_score")]
        rows += [(task, model, seed, "test", name, ceiling) for seed in predictions[""] for name in names]
    rows.sort(key=lambda row: (row[2], row[4]))
    write_csv(pd.DataFrame(rows, columns=COLUMNS), output)
    columns = {"gene": adata.var_names} | profile_columns(predictions, control, stimulated)
    write_csv(pd.DataFrame(columns), profiles)


def profile_columns(
    predictions: dict[str, dict[int, np.ndarray]], control: np.ndarray, stimulated: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of profiles.csv but the genes' names, each [D], from cells [n, D] and [m, D]."""
    genes = differential_genes(stimulated, control)
    rank = np.zeros(control.shape[1], dtype=int)
    rank[genes] = 1 + np.arange(len(genes))
    _, change = example_change(control, control, stimulated)
    columns = {"differential": rank, "stimulated": stimulated.mean(0), "change": change}
    for way, by_seed in predictions.items():
        for seed, prediction in sorted(by_seed.items()):
            columns[f"predicted_{way}{seed}"] = prediction.mean(0)
            columns[f"predicted_change_{way}{seed}"] = example_change(prediction, control, stimulated)[0]
    return columns
