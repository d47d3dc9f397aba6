"""The cells of a type that was held out under one condition, and what two steps write about its predicted response."""

from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd

from gmvae.formats.metrics_table import COLUMNS
from gmvae.formats.writing import write_csv
from gmvae.pipeline.errors import Refused
from gmvae.runs.response_measures import differential_genes, example_change, response_measures


class HeldOut(NamedTuple):
    """Which rows predict, and which are predicted, as masks [N]; the code of the condition that is predicted."""

    control: np.ndarray
    stimulated: np.ndarray
    condition: int


def find_held_out(adata: anndata.AnnData, label: str, condition: str) -> HeldOut:
    """The held-out type's cells under the other condition, of both splits, and under this one.

    Any control cell may predict: a user who asks has them, and models have seen nothing but control cells of the type.
    Raises Refused where there are not two conditions, one side is empty, or the cells to predict have been trained on.
    """
    for key in ("label", "condition"):
        if key not in adata.obs:
            raise Refused(f"the data set has no obs['{key}'], which a response needs; leave the task out")
    conditions = list(adata.obs["condition"].cat.categories)
    if len(conditions) != 2 or condition not in conditions:
        raise Refused(f"condition: found '{condition}' of {', '.join(conditions)}; allowed: one of two conditions")
    of_type = (adata.obs["label"] == label).to_numpy()
    under = (adata.obs["condition"] == condition).to_numpy()
    if not (of_type & under).any() or not (of_type & ~under).any():
        raise Refused(f"label: '{label}' has no cells under one of {', '.join(conditions)}; hold out a type of both")
    if (adata.obs["split"] == "train").to_numpy()[of_type & under].any():
        raise Refused(f"cells of '{label}' under '{condition}' are training cells; prepare the set with hold_out")
    return HeldOut(of_type & ~under, of_type & under, conditions.index(condition))


def dense_double(matrix, rows: np.ndarray) -> np.ndarray:
    """The rows (a mask [N]) of a dense or sparse matrix, in double precision."""
    some = matrix[rows]
    return np.asarray(some.toarray() if hasattr(some, "toarray") else some, dtype=np.float64)


def write_responses(
    predicted: dict[str, dict[int, np.ndarray]],
    adata: anndata.AnnData,
    cells: HeldOut,
    task: str,
    model: str,
    output: Path,
    profiles: Path,
) -> None:
    """Write the measures of predictions, and the profiles behind them.

    predicted: by way ("" or, as "z_", what stands before a measure's name) and seed, what each control cell becomes
    [n, D]. output: csv of task, model, seed, split, metric, value. profiles: csv of a line per gene: `differential`
    (the rank among the genes that differ most, from 1; 0 for the others), the real `stimulated` profile and `change`,
    and `predicted_{way}{seed}` and `predicted_change_{way}{seed}`; changes are those of the first halving.
    """
    control, stimulated = dense_double(adata.X, cells.control), dense_double(adata.X, cells.stimulated)
    genes = differential_genes(stimulated, control)
    place = np.zeros(adata.n_vars, dtype=int)
    place[genes] = 1 + np.arange(len(genes))
    _, change = example_change(control, control, stimulated)
    columns = {"gene": adata.var_names, "differential": place, "stimulated": stimulated.mean(0), "change": change}
    rows = []
    for way, by_seed in predicted.items():
        for seed, prediction in sorted(by_seed.items()):
            found = response_measures(prediction, control, stimulated)
            rows += [(task, model, seed, "test", f"response_{way}{name}", value) for name, value in found.items()]
            columns[f"predicted_{way}{seed}"] = prediction.mean(0)
            columns[f"predicted_change_{way}{seed}"] = example_change(prediction, control, stimulated)[0]
    rows.sort(key=lambda row: (row[2], row[4]))
    write_csv(pd.DataFrame(rows, columns=COLUMNS), output)
    write_csv(pd.DataFrame(columns), profiles)
