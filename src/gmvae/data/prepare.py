"""Step `prepare`: turn the raw files of a source into the dataset that all later steps read."""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from gmvae.data.derived_sets import (
    KEYS,
    check_occurs,
    group_labels,
    join_sources,
    merge_labels,
    rows_to_keep,
    select_subset,
)
from gmvae.data.normalisation import normalise_counts
from gmvae.data.preprocessing import NOT_SCORED, preprocess_cells
from gmvae.data.principal_components import store_components
from gmvae.data.split import divide_rows
from gmvae.formats.dataset import ANNOTATIONS, check_dataset
from gmvae.formats.labels import check_gaps, without_gap_classes
from gmvae.formats.quality import config_name, count_failures, count_removals, drops_most
from gmvae.formats.writing import write_h5ad
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import keyword_types, parameter_names, plugin_names


def prepare(
    source: str,
    output: Path,
    name: str,
    raw: Path | None = None,
    settings: dict | None = None,
    test_share: float | None = None,
    split_seed: int = 0,
    rows: dict | None = None,
    cells: dict | None = None,
) -> None:
    """Read a source, split it into training and test rows, check it, and write it as one .h5ad file.

    Args:
        source: The reader, a module of gmvae.data.readers.
        output: The .h5ad file to write.
        name: Name of the dataset in figures and tables.
        raw: Folder of the source's downloaded files.
        settings: Keyword arguments of the reader.
        test_share: Share of the rows that are drawn for testing, the same in every combination of class, condition and
            batch; left out where the source has a split of its own.
        split_seed: Seed of that draw.
        rows: How the rows differ from the source's: {"join": {"source", "settings"}, "merge": {new label: [labels]},
            "coarse": {group: [labels]}, "keep": {annotation: [values]}, "condition": "batch", "train_only": [labels],
            "tested": {annotation: [values]}, "hold_out": {annotation: value}}.
        cells: Thresholds of the preprocessing of raw counts, keyword arguments of
            gmvae.data.preprocessing.preprocess_cells; without them all cells and genes are used.

    Raises:
        Refused: The source or a setting is unknown, a file is damaged, a measure of quality with a threshold cannot be
            taken, or the result breaks the contract of datasets.
    """
    rows = rows or {}
    entry = f"datasets.{output.stem}.cells"
    check_keys("rows", rows, KEYS)
    settings = add_var_column(source, settings or {}, (cells or {}).get("mito_genes"), entry)
    adata = derive_set(read_source(source, raw, settings), source, raw, rows)
    if (
        cells is None and settings.get("drop_unlabelled") and "label" in adata.obs
    ):  # with `cells`, they are counted below
        adata = labelled_rows(adata)
    split = choose_split(adata, source, test_share, split_seed, rows)
    check_gaps(adata.obs, f"dataset {output.stem}", ANNOTATIONS if cells is None else ("condition", "batch"))
    if cells is not None:  # cells without a label are left out
        check_keys("cells", cells, keyword_types("gmvae.data.preprocessing", "preprocess_cells"))
        adata = preprocess_cells(adata, split, entry, **cells)
        print_quality(adata.uns)
        print_warnings(adata.uns, entry)
    else:
        adata.obs["split"] = split(adata.obs)
        if "counts" in adata.layers:
            normalise_counts(adata)
    print_untested_classes(adata.obs)
    adata.uns["name"] = name
    check_dataset(adata, f"dataset {output.stem}")
    store_components(adata)
    write_h5ad(adata, output)


def read_source(source: str, raw: Path | None, settings: dict) -> anndata.AnnData:
    """Call the reader <source>. Raises Refused where there is no such reader or it has no such setting."""
    if source not in plugin_names("reader"):
        raise Refused(f"source: '{source}' is unknown; allowed: {', '.join(plugin_names('reader'))}")
    allowed = parameter_names(f"gmvae.data.readers.{source}", "read")[1:]
    check_keys(f"settings of source {source}", settings, allowed)
    adata = importlib.import_module(f"gmvae.data.readers.{source}").read(raw, **settings)
    adata.obs = without_gap_classes(adata.obs)
    return adata


def add_var_column(source: str, settings: dict, column: str | None, entry: str) -> dict:
    """The reader's settings with the column of var to read, if there is one. Raises Refused if it reads no columns."""
    if column is None or source not in plugin_names("reader"):
        return settings
    if "var_columns" not in parameter_names(f"gmvae.data.readers.{source}", "read"):
        raise Refused(
            f"{entry}.mito_genes: found '{column}', but source {source} reads no columns of var; allowed: nothing; "
            "leave it out, and mitochondrial genes are found by their names"
        )
    return settings | {"var_columns": [*settings.get("var_columns", []), column]}


def check_keys(entry: str, content: dict, allowed: Iterable[str]) -> None:
    """Raise Refused where an entry of the config has a key that is not allowed."""
    for key in content:
        if key not in allowed:
            raise Refused(f"{entry}: '{key}' is unknown; allowed: {', '.join(allowed) or 'none'}")


def derive_set(adata: anndata.AnnData, source: str, raw: Path | None, rows: dict) -> anndata.AnnData:
    """Derive the rows that the entry `rows` describes.

    They are joined with those of another source, their labels are merged and grouped, some rows are kept, and the
    batch becomes the condition, in this order.
    """
    if "join" in rows:
        second = rows["join"]["source"]
        second_raw = raw.parent / second if raw else None
        parts = {source: adata, second: read_source(second, second_raw, rows["join"].get("settings", {}))}
        adata = join_sources(parts)
    if "merge" in rows:
        adata.obs = merge_labels(adata.obs, rows["merge"])
        if "join" in rows:
            del adata.obs["type"]  # the sources name types differently: runs cannot be judged by them
    if "coarse" in rows:
        adata.obs = group_labels(adata.obs, rows["coarse"])
    if "keep" in rows:
        adata = select_subset(adata, rows_to_keep(adata.obs, rows["keep"]))
    if "condition" in rows:
        check_occurs("condition", [rows["condition"]], [key for key in ("batch",) if key in adata.obs])
        adata.obs["condition"] = adata.obs[rows["condition"]]
    return adata


def choose_split(
    adata: anndata.AnnData, source: str, test_share: float | None, seed: int, rows: dict
) -> Callable[[pd.DataFrame], pd.Categorical]:
    """A function from obs to train or test for each of its rows: the source's own split, or a draw."""
    if "split" in adata.obs:
        if test_share is not None:
            raise Refused(f"test_share is {test_share}, but source {source} has its own split; leave test_share out")
        return lambda obs: pd.Categorical(obs["split"], categories=["test", "train"])
    lowest = 0 if "hold_out" in rows else np.nextafter(0, 1)
    if test_share is None or not lowest <= test_share < 1:
        given = "missing" if test_share is None else test_share
        raise Refused(f"test_share is {given}; allowed with source {source}: a share in (0, 1), such as 0.2")
    options = {key: rows[key] for key in ("train_only", "tested", "hold_out") if key in rows}
    return lambda obs: divide_rows(obs, test_share, seed, **options)


def print_quality(uns: dict) -> None:
    """Print the steps of the preprocessing, the mitochondrial genes, and the cells that each threshold meets."""
    genes, quality, thresholds = list(uns.get("mito_genes", [])), uns["quality"], uns["thresholds"]
    own = " (the share of each cell is the source's own)" if not genes and np.any(quality["mito"] > 0) else ""
    print("\n".join(uns["steps"]))
    print(f"mitochondrial genes: {len(genes)}{own}{': ' if genes else ''}{', '.join(genes)}")
    failures, removals, n = count_failures(quality, thresholds), count_removals(quality), len(quality["removed"])
    for key, threshold in thresholds.items():
        n_removed = removals.get(config_name(key), 0)
        print(f"{config_name(key)} {threshold:g}: {failures[key]} of {n} cells fail, {n_removed} removed by it first")


def print_warnings(uns: dict, entry: str) -> None:
    """Print what a user must know of the quality control; the rule `prepare` sends these lines to the terminal too."""
    for step in uns["steps"]:
        if step.startswith(NOT_SCORED):
            print(f"warning: {entry}.max_doublet: {step}; leave max_doublet out, or use batches of another size")
    if drops_most(uns["quality"]):
        n, removals = len(uns["quality"]["removed"]), count_removals(uns["quality"])
        n_removed, reasons = sum(removals.values()), ", ".join(f"{count} by {key}" for key, count in removals.items())
        reasons = reasons.replace("by unlabelled", "without a label")
        share = f"{n_removed} of {n} cells ({n_removed / n:.0%}), more than half"
        print(f"warning: {entry}: {share}, are removed: {reasons}; relax the thresholds if these cells are good")


def labelled_rows(adata: anndata.AnnData) -> anndata.AnnData:
    """The rows with a label; prints how many have none."""
    has_label = adata.obs["label"].notna().to_numpy()
    print(f"{(~has_label).sum()} of {len(has_label)} cells have no label and are left out (drop_unlabelled)")
    return adata[has_label].copy()


def print_untested_classes(obs: pd.DataFrame) -> None:
    """Print which classes have no test row."""
    if "label" in obs:
        for label, rows in obs.groupby("label", observed=True):
            if not (rows["split"] == "test").any():
                n = f"{len(rows)} row{'s' * (len(rows) != 1)}"
                print(f"class '{label}' has {n}, all in the training split: it is not tested")


if __name__ == "__main__":
    run_step(prepare)
