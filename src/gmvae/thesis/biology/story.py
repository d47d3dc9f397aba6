"""Step: the figures of a task's cells, and the numbers and names that the text of their section quotes."""

import shutil
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from gmvae.cells.exports import FINDINGS
from gmvae.formats.writing import write_atomically, write_text
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.biology.choice import told_in_full
from gmvae.thesis.biology.facts import cell_facts
from gmvae.thesis.biology.maps import map_figure
from gmvae.thesis.biology.panels import (
    change_figure,
    composition_figure,
    marker_figure,
    prediction_figure,
    type_figure,
)
from gmvae.thesis.biology.summary import summary_figure
from gmvae.thesis.figures import style
from gmvae.thesis.tabular import header_line

TEXT = {"cluster", "label", "markers", "type", "genes", "suggested", "suggested_genes", "gene", "condition", "batch"}
TEXT |= {"marker_of", "first", "second", "clusters", "taken_for", "kind", "value", "control", "up", "down", "split"}


def tell_cells(
    cells: Path,
    findings: list[Path],
    task: str,
    figures: Path,
    output: Path,
    compared_cells: list[Path] | None = None,
    compared_changes: list[Path] | None = None,
) -> None:
    r"""Draw the figures of a task's cells and write the macros of their section.

    Args:
        cells: The cells.csv of the task.
        findings: The csv files of the step `findings`.
        task: Name of the task.
        figures: The folder to write: summary, map, markers, and as far as there are labels, conditions or predictions
            types, composition, changes and predictions, each as .pdf and .svg.
        output: The LaTeX file of the macros to write: \fact{TASK.cells.NAME}.
        compared_cells: The cells.csv of all tasks, one of which has all its figures; without them this task has.
        compared_changes: The changes.csv of the same tasks.

    Raises:
        Refused: A table is missing.
    """
    tables = {path.stem: read_table(path) for path in findings}
    missing = [name for name in FINDINGS if name not in tables]
    if missing:
        raise Refused(f"--findings: found no {', '.join(missing)}.csv; run the step `findings` of task {task} again")
    tables["findings"]["value"] = tables["findings"]["value"].astype(float)
    drawings = cell_figures(read_table(cells), tables)
    shutil.rmtree(figures, ignore_errors=True)
    with write_atomically(figures) as folder:
        folder.mkdir()
        for name, figure in drawings.items():
            style.save_figure(figure, folder / f"{name}.pdf")
    facts = {"": ""} | {f".{key}": value for key, value in cell_facts(tables).items()}
    facts |= {f".figure.{name}": "" for name in drawings}
    if not compared_cells or told_in_full(compared_cells, compared_changes or []) == task:
        facts[".in_full"] = ""
    lines = [rf"\setfact{{{task}.cells{key}}}{{{value}}}" for key, value in facts.items()]
    write_text("\n".join([header_line("gmvae.thesis.biology.story"), *lines]) + "\n", output)


def read_table(path: Path) -> pd.DataFrame:
    """A csv file of the cells; names are texts even where they look like numbers, and gaps in them are empty."""
    try:
        columns = pd.read_csv(path, nrows=0).columns
        texts = [name for name in columns if name in TEXT and not (name == "value" and "measure" in columns)]
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(texts, str),
            keep_default_na=False,
            na_values={name: ["", "nan"] for name in columns if name not in texts},
        )
    except (OSError, ValueError) as failure:
        raise Refused(f"{path}: no readable table ({failure}); remove it and run snakemake again") from failure
    return table


def cell_figures(cells: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> dict[str, Figure]:
    """The figures that the tables have something for, by name.

    Args:
        cells: Rows of cells.csv.
        tables: The tables of the step `findings` by name.
    """
    clusters = tables["clusters"]["cluster"].tolist()
    figures = {"summary": summary_figure(cells, tables["confusion"], clusters)}
    figures["map"] = map_figure(cells, tables["generated"])
    if len(tables["dots"]):
        figures["markers"] = marker_figure(tables["dots"], tables["clusters"])
    if len(tables["confusion"]):
        figures["types"] = type_figure(tables["confusion"], clusters, tables["calibration"])
    if len(tables["composition"]):
        figures["composition"] = composition_figure(tables["composition"], clusters)
    if len(tables["changed_genes"]) and tables["changed_genes"]["changes"].any():
        figures["changes"] = change_figure(tables["changed_genes"])
        if tables["changed_genes"]["predicted"].notna().any():
            figures["predictions"] = prediction_figure(tables["changed_genes"], tables["changes"])
    return figures


if __name__ == "__main__":
    run_step(tell_cells)
