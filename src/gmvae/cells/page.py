"""Step `page`: the clusters of a task's cells as one page for a browser, which needs no network."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import bokeh
import h5py
import numpy as np
import pandas as pd
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gmvae.cells.page_parts import fields, plots, tables
from gmvae.cells.page_parts.cell_file import (
    open_export,
    read_categories,
    read_export_genes,
    read_marker_table,
    read_record,
)
from gmvae.cells.page_parts.gene_values import GeneValues, choose_marker_genes, read_gene_values
from gmvae.cells.page_parts.packing import pack_bytes, pack_numbers
from gmvae.formats.writing import write_text
from gmvae.pipeline.command import run_step

MOST_CELLS = 200_000  # on the map
FEWER_CELLS = (32_000, 16_000, 8_000, 4_000)  # ... of the report's page
MOST_BYTES = 1_500_000  # of the report's page: Chromium shows no page inside of another above 2 MiB in base64
MOST_GENES = 60  # that can colour the map
PER_CLUSTER = 5  # genes that can colour the map, of each cluster
DOTS_PER_CLUSTER = 3  # genes of each cluster among the dots
TEMPLATES = Path(__file__).parent / "page_parts"


def write_page(data: Path, output: Path, report: Path | None = None) -> None:
    """Write the clusters of cells as one page for a browser, with all it needs inside.

    A map of the cells that clusters, labels, conditions, measures and marker genes colour; the markers of each cluster;
    clusters against labels; the least certain cells; what made the clusters. Above 200,000 cells the map shows 200,000
    of them, drawn at random, while tables count all.

    Args:
        data: The .h5ad file of the step `export`.
        output: The .html file to write.
        report: The .html file to write for Snakemake's report: the same page with fewer cells on the map, if it would
            be too large to be shown inside of another page.

    Raises:
        Refused: The file is missing or damaged, or lacks a part that the page needs.
    """
    with open_export(data) as file:
        markers = read_markers(file)
        write_text(render_page(file, markers, MOST_CELLS), output)
        if report is not None:
            write_text(small_page(file, markers, Path(output).name), report)


@dataclass(frozen=True)
class Markers:
    """The marker genes of a file, for pages with any number of cells: the matrix is read once for all of them."""

    table: pd.DataFrame  # columns cluster, rank, gene, score, log_fold_change, p_adjusted
    genes: list[str]  # that can colour the map
    values: GeneValues  # of these genes; `on_map` is of the first MOST_CELLS cells on the map
    n_genes: int  # of the file


def read_markers(file: h5py.File) -> Markers:
    """The marker genes of an open .h5ad, with their values."""
    cluster, names = read_categories(file, "cluster"), read_export_genes(file)
    position = {gene: j for j, gene in enumerate(names)}
    table = read_marker_table(file, PER_CLUSTER)
    table = table[table["gene"].isin(position)]
    genes = choose_marker_genes(table, MOST_GENES)
    columns = np.array([position[gene] for gene in genes], dtype=np.int64)
    rows = map_rows(len(cluster), MOST_CELLS)
    values = read_gene_values(file["X"], columns, cluster.codes, len(cluster.categories), rows)
    return Markers(table, genes, values, len(names))


def small_page(file: h5py.File, markers: Markers, larger: str) -> str:
    """The page with as many cells on the map as leave it smaller than MOST_BYTES; `larger` is the whole page's name."""
    for most in FEWER_CELLS:
        text = render_page(file, markers, most, larger)
        if len(text.encode()) <= MOST_BYTES:
            break
    return text


def render_page(file: h5py.File, markers: Markers, most: int, larger: str = "") -> str:
    """The text of the page of an open .h5ad, with at most so many cells on the map, and the name of a larger page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html").render(page_content(file, markers, most), larger=larger)


def page_content(file: h5py.File, markers: Markers, most: int) -> dict:
    """What the template `page.html` shows of an open .h5ad, with at most this many cells on the map."""
    cluster, n_cells = read_categories(file, "cluster"), file["obsm/X_umap"].shape[0]
    rows = map_rows(n_cells, most)
    table, genes, values = markers.table, markers.genes, markers.values
    plane = file["obsm/X_umap"][()][rows, :2].astype(np.float64)
    page = {
        "map": plots.map_plot(plane),
        "x": pack_numbers(plane[:, 0]),
        "y": pack_numbers(plane[:, 1]),
        "palette": plots.number_palette(),
        "bokeh": pack_library(),
        "fields": fields.column_fields(file, rows)
        + [
            fields.gene_field(gene, marked, on_map[: len(rows)])
            for gene, marked, on_map in zip(genes, first_clusters(table, genes), values.on_map, strict=True)
        ],
        "markers": marker_dots(cluster, table, genes, values),
    }
    return {
        "record": read_record(file),
        "n_cells": n_cells,
        "n_genes": markers.n_genes,
        "n_map": len(rows),
        "n_clusters": len(cluster.categories),
        "page": script_text(page),
        "groups": field_groups(page["fields"]),
        "markers": marker_rows(table, cluster, genes, values),
        "clusters": tables.cluster_table_rows(file, table),
        "confusion": tables.confusion(file),
        "uncertain": tables.uncertain_rows(file),
        "palette": page["palette"],
        "version": bokeh.__version__,
    }


def first_clusters(markers: pd.DataFrame, genes: list[str]) -> list[str]:
    """The first cluster that each gene marks."""
    return markers.drop_duplicates("gene").set_index("gene")["cluster"].loc[genes].tolist()


def map_rows(n_cells: int, most: int) -> np.ndarray:
    """The cells on the map in the order in which they are drawn: at most so many, the same each time.

    The order is random, so that no cluster lies on top of the others.
    """
    return np.random.default_rng(0).permutation(n_cells)[:most]


def marker_dots(cluster: pd.Categorical, markers: pd.DataFrame, genes: list[str], values: GeneValues) -> dict | None:
    """The plot of the first markers of each cluster that has cells; None where there are no markers."""
    shown = choose_marker_genes(
        markers[(markers["rank"] <= DOTS_PER_CLUSTER) & markers["gene"].isin(genes)], MOST_GENES
    )
    used = np.flatnonzero(np.bincount(cluster.codes[cluster.codes >= 0], minlength=len(cluster.categories)))
    if not shown:
        return None
    columns = [genes.index(gene) for gene in shown]
    part = GeneValues(values.means[used], values.shares[used], values.shares_outside[used], values.on_map)
    return plots.marker_plot([cluster.categories[k] for k in used], shown, part, columns)


def marker_rows(markers: pd.DataFrame, cluster: pd.Categorical, genes: list[str], values: GeneValues) -> list[dict]:
    """The table of markers: one row for each cluster and gene, with the shares of cells in and outside of it."""
    codes = {name: code for code, name in enumerate(cluster.categories)}
    place = {gene: j for j, gene in enumerate(genes)}
    rows = [row for row in markers.to_dict("records") if row["gene"] in place and row["cluster"] in codes]
    for row in rows:
        at = codes[row["cluster"]], place[row["gene"]]
        row |= {"share_in": float(values.shares[at]), "share_out": float(values.shares_outside[at])}
    return rows


def field_groups(columns: list[dict]) -> dict[str, list[tuple[int, str]]]:
    """The choices of what colours the map, by group: the number of a field and its title."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for number, field in enumerate(columns):
        groups.setdefault(field["group"], []).append((number, field["title"]))
    return groups


@cache
def pack_library() -> list[str]:
    """Bokeh's scripts, packed: those for plots, and for drawing by the graphics card."""
    scripts = Resources(mode="inline", components=["bokeh", "bokeh-gl"], minified=True).js_raw
    return [pack_bytes(script.encode()) for script in scripts]


def script_text(content: dict) -> str:
    """JSON that can stand inside a page: no text in it can end the script."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


if __name__ == "__main__":
    run_step(write_page)
