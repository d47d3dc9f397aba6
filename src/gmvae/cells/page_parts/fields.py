"""What the cells of a page's map can be coloured by: columns of `obs`, and marker genes."""

import h5py
import numpy as np
import pandas as pd
from bokeh.palettes import Category20, Colorblind

from gmvae.cells.page_parts.cell_file import obs_columns, read_categories, read_colours, read_numbers
from gmvae.cells.page_parts.packing import pack_categories, pack_numbers

FIRST = ("cluster", "label", "batch", "condition", "cluster_probability", "cluster_entropy", "seed_agreement")
TITLES = {
    "cluster_probability": "probability of the cluster",
    "cluster_entropy": "entropy of the clusters (nats)",
    "seed_agreement": "share of seeds that agree",
    "n_genes": "genes with a count",
    "total": "counts",
    "mito": "mitochondrial share",
    "doublet": "doublet score",
}
LONGEST_LEGEND = 200  # categories; a column with more is no choice
TAILS = (0.5, 99.5)  # percentiles between which colours change


def column_title(column: str) -> str:
    """A column's name for readers."""
    return TITLES.get(column, column.replace("_", " "))


def column_fields(file: h5py.File, rows: np.ndarray) -> list[dict]:
    """The columns of `obs` that can colour the map.

    Args:
        file: An open .h5ad.
        rows: Positions of the n cells on the map.

    Returns:
        One field for each column with categories or changing numbers: the values of the cells on the map, packed, and
        what a legend needs.
    """
    stored = obs_columns(file)
    fields = []
    for name in [name for name in FIRST if name in stored] + [name for name in stored if name not in FIRST]:
        categories = read_categories(file, name)
        if categories is not None:
            if len(categories.categories) <= LONGEST_LEGEND:
                fields.append(
                    category_field(name, categories, rows, read_colours(file, name, len(categories.categories)))
                )
            continue
        numbers = read_numbers(file, name)
        if numbers is not None and len(np.unique(numbers[rows][np.isfinite(numbers[rows])])) > 1:
            fields.append(number_field(name, numbers[rows]))
    return fields


def category_field(name: str, column: pd.Categorical, rows: np.ndarray, colours: list[str] | None) -> dict:
    """A column with categories as a field of the page.

    Args:
        name: Name of the column.
        column: The categories of all cells, [N].
        rows: Positions of the n cells on the map.
        colours: A colour for each category; None for those of this module.

    Returns:
        The field; `counts` are those of all cells.
    """
    codes, names = column.codes.astype(np.int64), list(column.categories)
    return {
        "key": name,
        "title": column_title(name),
        "group": "Annotations",
        "categories": names,
        "colours": (colours or default_colours(len(names)))[: len(names)],
        "counts": np.bincount(codes[codes >= 0], minlength=len(names)).tolist(),
        **pack_categories(codes[rows], len(names)),
    }


def number_field(name: str, values: np.ndarray) -> dict:
    """A column of numbers, those of the cells on the map [n], as a field of the page."""
    low, high = np.nanpercentile(values, TAILS)
    return {
        "key": name,
        "title": column_title(name),
        "group": "Measures of each cell",
        **colour_range(low, high, float(np.nanmax(values))),
        **pack_numbers(values),
    }


def gene_field(gene: str, cluster: str, values: np.ndarray) -> dict:
    """A marker gene as a field of the page.

    Args:
        gene: Its name.
        cluster: The first cluster that it marks.
        values: Log-normalised values of the cells on the map, [n].

    Returns:
        The field, of 8 bits a cell.
    """
    positive = values[values > 0]
    high = np.percentile(positive, TAILS[1]) if len(positive) else 1.0
    return {
        "key": f"gene:{gene}",
        "title": gene,
        "group": f"Markers of cluster {cluster}",
        **colour_range(0.0, high, float(values.max(initial=0))),
        **pack_numbers(values, np.uint8),
    }


def colour_range(low: float, high: float, largest: float) -> dict:
    """The numbers between which colours change; a range of no width reaches up to the largest number."""
    high = high if high > low else max(largest, low + 1e-9)
    return {"low": float(f"{low:.6g}"), "high": float(f"{high:.6g}")}


def default_colours(n: int) -> list[str]:
    """Colours for categories without their own: eight that readers with a colour-vision deficiency tell apart."""
    palette = Colorblind[8] if n <= 8 else Category20[20]
    return [palette[i % len(palette)].lower() for i in range(n)]
