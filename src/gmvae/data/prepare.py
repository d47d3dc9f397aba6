"""Step prepare: a source's raw files become the data set that all later steps read."""

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
from gmvae.data.preprocessing import preprocess_cells
from gmvae.data.split import divide_rows
from gmvae.formats.dataset import check_dataset
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
    """Read a source, split it into training and test rows, check it, and write it as one .h5ad.

    source: the reader, a module of gmvae.data.readers. output: the .h5ad to write. name: shown in figures and tables.
    raw: the folder of the source's downloaded files. settings: keywords of the reader. test_share: the share of test
    rows, drawn alike in every class, condition and batch; none where the source brings its own split. split_seed:
    the seed of that draw. rows: what to derive: {"join": {"source", "settings"}, "merge": {new label: [labels]},
    "coarse": {group: [labels]}, "keep": {annotation: [values]}, "condition": "batch", "train_only": [labels], "tested":
    {annotation: [values]}, "hold_out": {annotation: value}}. cells: thresholds of the preprocessing (keywords of
    gmvae.data.preprocessing.preprocess_cells); none, and the counts are taken as they are.
    Raises Refused where the source is unknown, a file is damaged or breaks the data contract.
    """
    rows = rows or {}
    check_keys("rows", rows, KEYS)
    adata = derive_set(read_source(source, raw, settings or {}), source, raw, rows)
    split = choose_split(adata, source, test_share, split_seed, rows)
    if cells is not None:
        check_keys("cells", cells, keyword_types("gmvae.data.preprocessing", "preprocess_cells"))
        adata = preprocess_cells(adata, split, **cells)
        print("\n".join(adata.uns["steps"]))
    else:
        adata.obs["split"] = split(adata.obs)
        if "counts" in adata.layers:
            normalise_counts(adata)
    print_untested_classes(adata.obs)
    adata.uns["name"] = name
    check_dataset(adata, f"data set {output.stem}")
    write_h5ad(adata, output)


def read_source(source: str, raw: Path | None, settings: dict) -> anndata.AnnData:
    """What the reader <source> reads. Raises Refused where there is no such reader or it takes no such setting."""
    if source not in plugin_names("reader"):
        raise Refused(f"source: '{source}' is unknown; allowed: {', '.join(plugin_names('reader'))}")
    taken = parameter_names(f"gmvae.data.readers.{source}", "read")[1:]
    check_keys(f"settings of source {source}", settings, taken)
    return importlib.import_module(f"gmvae.data.readers.{source}").read(raw, **settings)


def check_keys(entry: str, found: dict, allowed: Iterable[str]) -> None:
    """Raise Refused where the entry holds a key that is not allowed."""
    for key in found:
        if key not in allowed:
            raise Refused(f"{entry}: '{key}' is unknown; allowed: {', '.join(allowed) or 'none'}")


def derive_set(adata: anndata.AnnData, source: str, raw: Path | None, rows: dict) -> anndata.AnnData:
    """The rows that the entry asks for: joined with another source's, labels merged and grouped, some kept, the batch
    taken for the condition."""
    if "join" in rows:
        other = rows["join"]["source"]
        of_other = read_source(other, raw.parent / other if raw else None, rows["join"].get("settings", {}))
        adata = join_sources({source: adata, other: of_other})
    if "merge" in rows:
        adata.obs = merge_labels(adata.obs, rows["merge"])
        if "join" in rows:
            del adata.obs["type"]  # each source has names of its own: they are no common scale to be judged by
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
    """What says train or test for each row of an obs: the source's own split, or a draw."""
    if "split" in adata.obs:
        if test_share is not None:
            raise Refused(f"test_share is {test_share}, but source {source} brings its own split; leave it out")
        return lambda obs: pd.Categorical(obs["split"], categories=["test", "train"])
    lowest = 0 if "hold_out" in rows else np.nextafter(0, 1)
    if test_share is None or not lowest <= test_share < 1:
        found = "missing" if test_share is None else test_share
        raise Refused(f"test_share is {found}; allowed with source {source}: a share in (0, 1), such as 0.2")
    chosen = {key: rows[key] for key in ("train_only", "tested", "hold_out") if key in rows}
    return lambda obs: divide_rows(obs, test_share, seed, **chosen)


def print_untested_classes(obs: pd.DataFrame) -> None:
    """Print which classes have no test row."""
    if "label" in obs:
        for label, rows in obs.groupby("label", observed=True):
            if not (rows["split"] == "test").any():
                n = f"{len(rows)} row{'s' * (len(rows) != 1)}"
                print(f"class '{label}' has {n}, all in the training split: it is not tested")


if __name__ == "__main__":
    run_step(prepare)
