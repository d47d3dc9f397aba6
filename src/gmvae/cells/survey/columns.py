"""Which columns of obs may be the label, the condition and the batch, by their names and how many values they have."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from gmvae.cells.survey.files import CellFile, nearest
from gmvae.formats.labels import is_gap
from gmvae.pipeline.errors import Refused

# What names of columns contain, in small letters with _ between words; the first that matches gives the score.
HINTS = {
    "label": [
        (9, r"^cell_?types?$"),
        (8, r"cell_?type"),
        (7, r"annotation|^(bulk_|true_)?labels?$|cell_(label|identity|class|ontology_class)"),
        (5, r"^(sub|super)?class$|subtype|lineage|population|^ident(ity)?$|label"),
    ],
    "condition": [
        (9, r"^condition$"),
        (8, r"condition|stim|treat|perturb|disease|^group$"),
        (6, r"genotype|time_?point|^(dose|status|phenotype|diagnosis)"),
    ],
    "batch": [
        (9, r"^batch$"),
        (8, r"batch"),
        (7, r"donor|patient|sample|orig_ident|individual|library|replicate|subject"),
        (5, r"lane|channel|plate|chip|experiment|dataset|study|method|assay|tech|protocol|^(site|run|ind)$"),
    ],
}
NO_HINT = re.compile(r"ontology_term|(^|_)(ids?|score|probability|prob|confidence|color|colour|count|counts|number)$")
ID_OF_BATCH = re.compile(r"(donor|patient|sample|individual|library|subject|batch)_ids?$")
COMPUTED = re.compile(r"louvain|leiden|cluster|phenograph|k_?means|(^|_)(res|snn)_")
LIMITS = {"label": 200, "condition": 20, "batch": 200}  # values of a column
MOST_NUMBERS = 50  # values of a column of whole numbers: more are a measure
FEW = {"label": 1, "condition": 20, "batch": 20}  # the smallest number of cells of a value


class Column(NamedTuple):
    """A column of obs with few values."""

    name: str
    sizes: dict[str, int]  # numbers of cells by value, gaps left out
    n_gaps: int


def summarise_columns(file: CellFile) -> list[Column]:
    """Read the columns with few values, in the order of the file; what cannot be read is left out.

    Args:
        file: The file.

    Returns:
        The columns with 2 values or more, at most as many as a label may have.
    """
    columns = []
    for name in file.obs_columns:
        try:
            values = file.read_obs(name)
        except Refused:
            continue  # another encoding: prepare does not read it either
        column = summarise_column(name, values) if values is not None else None
        is_number = column is not None and values.dtype.kind in "iu"
        if is_number and len(column.sizes) > MOST_NUMBERS:
            continue
        if column and 2 <= len(column.sizes) <= min(max(LIMITS.values()), len(file.cells) // 2):
            columns.append(column)
    return columns


def summarise_column(name: str, values: pd.Series) -> Column | None:
    """The numbers of cells of each value of a column; None for numbers that are not whole."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, categories = values.cat.codes.to_numpy(), values.cat.categories
    elif values.dtype.kind == "f":
        return None
    else:
        codes, categories = pd.factorize(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(categories))
    sizes = {str(value): int(n) for value, n in zip(categories, counts, strict=True) if n and not is_gap(str(value))}
    return Column(name, sizes, len(values) - sum(sizes.values()))


def score_column(column: Column, role: str, n_cells: int) -> int:
    """How likely a column has a role.

    Args:
        column: The column.
        role: label, condition or batch.
        n_cells: Number of cells.

    Returns:
        0 for a column that is not chosen by itself.
    """
    name = split_words(column.name)
    is_id = NO_HINT.search(name) and not (role == "batch" and ID_OF_BATCH.search(name))
    if is_id or COMPUTED.search(name) or (column.n_gaps and role != "label") or column.n_gaps > n_cells / 2:
        return 0
    if len(column.sizes) > LIMITS[role] or min(column.sizes.values()) < FEW[role]:
        return 0
    return next((score for score, pattern in HINTS[role] if re.search(pattern, name)), 0)


def split_words(name: str) -> str:
    """A name in small letters with _ between its words: CellType, Cell.Type and cell type are cell_type."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")


def choose_columns(file: CellFile, columns: list[Column], named: dict[str, str | None]) -> dict[str, Column | None]:
    """Choose the columns of label, condition and batch.

    Args:
        file: The file.
        columns: Its columns with few values.
        named: For each role the column that the user names, "" for none and None for a choice by the names.

    Returns:
        The column of each role, None for none; no column has two roles unless the user says so.

    Raises:
        Refused: A column that the user names does not exist, or has gaps where there may be none.
    """
    chosen = {role: user_column(file, role, name) if name else None for role, name in named.items()}
    for role, name in named.items():
        if name is None:
            free = [
                column for column in columns if column.name not in {other.name for other in chosen.values() if other}
            ]
            scores = [score_column(column, role, len(file.cells)) for column in free]
            chosen[role] = free[int(np.argmax(scores))] if any(scores) else None  # the first of the best
    return chosen


def user_column(file: CellFile, role: str, name: str) -> Column:
    """The column that the user names. Raises Refused where it cannot have the role."""
    if name not in file.obs_columns:
        allowed = ", ".join(file.obs_columns) or "none"
        has_none = file.source.startswith("tenx") and "annotations" not in file.settings
        remedy = "; a file of 10x has no columns: pass --annotations, a csv file indexed by barcode" if has_none else ""
        near = nearest(name, file.obs_columns) or f"; allowed: {allowed}"
        raise Refused(f"{file.path}: {role} is '{name}', not a column of obs{remedy or near}")
    values = file.read_obs(name)
    column = summarise_column(name, values) if values is not None else None
    if column is None or len(column.sizes) < 2:
        n = "no" if column is None else "fewer than two"
        raise Refused(f"{file.path}: {role} is '{name}', a column with {n} values to tell apart; name another column")
    if column.n_gaps and role != "label":
        raise Refused(f"{file.path}: {role} column '{name}' has {column.n_gaps} gaps; fill them or name another column")
    return column


def describe_candidates(columns: list[Column], role: str, chosen: dict[str, Column | None], n_cells: int) -> str:
    """Words for the columns that may have a role instead of the chosen one; "" for none."""
    names = {column.name for column in chosen.values() if column}
    rest = [column for column in columns if column.name not in names and len(column.sizes) <= LIMITS[role]]
    ranked = sorted(rest, key=lambda column: -score_column(column, role, n_cells))
    return ", ".join(f"{column.name} ({describe_column(column)})" for column in ranked[:5])


def describe_column(column: Column) -> str:
    """Words for a column's values."""
    computed = ", computed clusters" if COMPUTED.search(split_words(column.name)) else ""
    gaps = f", {column.n_gaps} gaps" if column.n_gaps else ""
    return f"{len(column.sizes)} values{gaps}{computed}"
