"""What was found out about a file of cells, in words, and the thresholds of quality that follow from it."""

from typing import NamedTuple

import numpy as np

from gmvae.cells.survey.columns import Column, describe_candidates, describe_column
from gmvae.cells.survey.files import CellFile
from gmvae.cells.survey.genes import Genes
from gmvae.cells.survey.matrices import StoredMatrix
from gmvae.cells.survey.thresholds import (
    MANY,
    Sample,
    count_removed,
    default_thresholds,
    describe_doublets,
    deviation_thresholds,
    drops_many,
)
from gmvae.cells.survey.values import Content, title

TEST_SHARE = 0.2


class Survey(NamedTuple):
    """All that was found out about a file."""

    file: CellFile
    matrix: StoredMatrix
    contents: dict[str, Content]
    columns: list[Column]
    chosen: dict[str, Column | None]
    genes: Genes
    sample: Sample


def describe_survey(survey: Survey) -> list[str]:
    """The report: one line on each thing that was found out."""
    file, matrix, genes, n_cells = survey.file, survey.matrix, survey.genes, len(survey.file.cells)
    n_genes = int(matrix.shape[1] if file.is_gene is None else file.is_gene.sum())
    others = [
        f"{title(name)} holds {content.words}" for name, content in survey.contents.items() if name != matrix.name
    ]
    lines = [f"{file.path}: {file.kind}, {n_cells:,} cells and {n_genes:,} genes"]
    lines.append(f"counts: {'; '.join([describe_counts(survey), *others])}")
    for role in ("label", "condition", "batch"):
        column = survey.chosen[role]
        rest = describe_candidates(survey.columns, role, survey.chosen, n_cells)
        choice = f"{column.name} ({describe_column(column)})" if column else "none"
        lines.append(f"{role}: {choice}{f'; other columns with few values: {rest}' if rest else ''}")
    lines.append(f"genes: {describe_names(genes)}")
    defaults = default_thresholds()
    removed = count_removed(survey.sample, defaults)
    listed = ", ".join(f"{key} {value:g}: {number(removed[key])}" for key, value in defaults.items())
    basis = describe_basis(survey.sample, n_genes)
    lines.append(f"cells that the default thresholds would remove{basis}: {listed}; together {number(removed[''])}")
    if drops_many(removed, n_cells):
        lines.append(f"these are more than {MANY:.0%}: thresholds 5 median absolute deviations from the median instead")
    lines.append(f"search for doublets: {describe_doublets(batch_sizes(survey), kept_share(survey), TEST_SHARE)[1]}")
    if matrix.form == "CSC":
        needed = 2 * matrix.n_stored * (matrix.dtype.itemsize + matrix.parts[1].dtype.itemsize) / 1e9
        lines.append(
            f"{title(matrix.name)} is stored by columns (CSC): prepare converts it in {needed:.2g} GB of memory; "
            "stored by rows (CSR), as adata.X.tocsr() makes it, it needs little"
        )
    return lines


def describe_basis(sample: Sample, n_genes: int) -> str:
    """Words for what numbers of cells are estimated from; "" where all was read."""
    if sample.n_read is not None:
        return f", estimated from {sample.n_read:,} of {n_genes:,} genes, the most frequent ones among them"
    n = len(sample.measures)
    return "" if n == sample.n_cells else f", estimated from {n:,} cells"


def describe_counts(survey: Survey) -> str:
    """Words for the matrix of counts."""
    matrix = survey.matrix
    content = survey.contents[matrix.name]
    form = {"text": "text", "dense": "dense"}.get(matrix.form, matrix.form)
    dtype = "" if matrix.form == "text" else f", {matrix.dtype}"
    stored = f", {matrix.n_stored / max(1, matrix.shape[0]):,.0f} entries a cell" if matrix.form[0] == "C" else ""
    binary = "; all are 0 or 1: are they counts?" if content.largest == 1 else ""
    return f"{title(matrix.name)} ({form}{dtype}{stored}) holds {content.words}{binary}"


def describe_names(genes: Genes) -> str:
    """Words for the names of genes."""
    species = f", {genes.species}" if genes.species else ", of an unknown species"
    column = f", symbols in var['{genes.column}']" if genes.column else ""
    n_mito = int(genes.mitochondrial.sum())
    if genes.kind == "numbers":
        return "numbers, no names: clusters get no marker that can be looked up; put the symbols into the index of var"
    if not n_mito and genes.kind != "symbols" and not genes.column:
        return f"{genes.kind}{species}; ids do not show which genes are mitochondrial, symbols or a column of var do"
    by = f", by var['{genes.mito_column}']" if genes.mito_column else ""
    return f"{genes.kind}{species}{column}; {n_mito or 'none'} mitochondrial{by}"


def number(estimate: tuple[int, float]) -> str:
    """A number of cells, with its standard error where it is an estimate whose error is known."""
    count, error = estimate
    if np.isnan(error):
        return f"about {count:,}"
    return f"{count:,}" if not error else f"about {count:,} (standard error {error:,.0f})"


def batch_sizes(survey: Survey) -> dict[str, int]:
    """Numbers of cells by batch; all cells where there are none."""
    return survey.chosen["batch"].sizes if survey.chosen["batch"] else {"": len(survey.file.cells)}


def kept_share(survey: Survey) -> float:
    """The share of the cells that the thresholds of mine.yaml keep."""
    removed = count_removed(survey.sample, chosen_thresholds(survey))
    return 1 - removed[""][0] / max(1, len(survey.file.cells))


def chosen_thresholds(survey: Survey) -> dict[str, float]:
    """The defaults, or where they remove many cells, thresholds by the median absolute deviation."""
    defaults = default_thresholds()
    if drops_many(count_removed(survey.sample, defaults), len(survey.file.cells)):
        return deviation_thresholds(survey.sample, survey.genes.mitochondrial.any())
    return {"min_genes": defaults["min_genes"]}
