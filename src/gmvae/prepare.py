"""Step prepare: a source's raw files become the data set that all later steps read."""

import importlib
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from gmvae import command, data, files
from gmvae import rows as derived
from gmvae.blocks import selected
from gmvae.cells import preprocessed
from gmvae.errors import Refused
from gmvae.sources import keywords, parameters


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

    source: the reader, a module of gmvae.datasets. output: the .h5ad to write. name: shown in figures and tables.
    raw: the folder of the source's downloaded files. settings: keywords of the reader. test_share: the share of test
    rows, drawn alike in every class, condition and batch; none where the source brings its own split. split_seed:
    the seed of that draw. rows: what to derive: {"join": {"source", "settings"}, "merge": {new label: [labels]},
    "coarse": {group: [labels]}, "keep": {annotation: [values]}, "condition": "batch", "train_only": [labels], "tested":
    {annotation: [values]}, "hold_out": {annotation: value}}. cells: thresholds of the preprocessing (keywords of
    gmvae.cells.preprocessed); none, and the counts are taken as they are.
    Raises Refused where the source is unknown, a file is damaged or breaks the data contract.
    """
    rows = rows or {}
    check_keys("rows", rows, derived.KEYS)
    adata = derive(raw_set(source, raw, settings or {}), source, raw, rows)
    split = splitter(adata, source, test_share, split_seed, rows)
    if cells is not None:
        check_keys("cells", cells, keywords("gmvae.cells", "preprocessed"))
        adata = preprocessed(adata, split, **cells)
        print("\n".join(adata.uns["steps"]))
    else:
        adata.obs["split"] = split(adata.obs)
        if "counts" in adata.layers:
            normalise(adata)
    say_untested(adata.obs)
    adata.uns["name"] = name
    data.check(adata, f"data set {output.stem}")
    files.write_h5ad(adata, output)


def raw_set(source: str, raw: Path | None, settings: dict) -> anndata.AnnData:
    """What gmvae.datasets.<source> reads. Raises Refused where there is no such module or it takes no such setting."""
    if find_spec(f"gmvae.datasets.{source}") is None:
        known = sorted(path.stem for path in Path(__file__).with_name("datasets").glob("[!_]*.py"))
        raise Refused(f"source: '{source}' is unknown; allowed: {', '.join(known)}")
    taken = parameters(f"gmvae.datasets.{source}", "read")[1:]
    check_keys(f"settings of source {source}", settings, taken)
    return importlib.import_module(f"gmvae.datasets.{source}").read(raw, **settings)


def check_keys(entry: str, found: dict, allowed: Iterable[str]) -> None:
    """Raise Refused where the entry holds a key that is not allowed."""
    for key in found:
        if key not in allowed:
            raise Refused(f"{entry}: '{key}' is unknown; allowed: {', '.join(allowed) or 'none'}")


def derive(adata: anndata.AnnData, source: str, raw: Path | None, rows: dict) -> anndata.AnnData:
    """The rows that the entry asks for: joined with another source's, labels merged and grouped, some kept, the batch
    taken for the condition."""
    if "join" in rows:
        other = rows["join"]["source"]
        of_other = raw_set(other, raw.parent / other if raw else None, rows["join"].get("settings", {}))
        adata = derived.joined({source: adata, other: of_other})
    if "merge" in rows:
        adata.obs = derived.merged(adata.obs, rows["merge"])
        if "join" in rows:
            del adata.obs["type"]  # each source has names of its own: they are no common scale to be judged by
    if "coarse" in rows:
        adata.obs = derived.grouped(adata.obs, rows["coarse"])
    if "keep" in rows:
        adata = derived.subset(adata, derived.kept(adata.obs, rows["keep"]))
    if "condition" in rows:
        derived.known("condition", [rows["condition"]], [key for key in ("batch",) if key in adata.obs])
        adata.obs["condition"] = adata.obs[rows["condition"]]
    return adata


def splitter(
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
    return lambda obs: derived.division(obs, test_share, seed, **chosen)


def say_untested(obs: pd.DataFrame) -> None:
    """Print which classes have no test row."""
    if "label" in obs:
        for label, rows in obs.groupby("label", observed=True):
            if not (rows["split"] == "test").any():
                n = f"{len(rows)} row{'s' * (len(rows) != 1)}"
                print(f"class '{label}' has {n}, all in the training split: it is not tested")


def normalise(adata: anndata.AnnData) -> None:
    """Set X to the logarithm of library-size-normalised counts, in place. A reader's own totals stay."""
    everything = np.ones(adata.n_obs, dtype=bool), np.ones(adata.n_vars, dtype=bool)
    counts = selected(adata.layers["counts"], *everything)
    if "total" not in adata.obs:
        adata.obs["total"] = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    empty = int((adata.obs["total"] <= 0).sum())
    if empty:
        raise Refused(f"{empty} of {adata.n_obs} cells have no counts; drop them, or give the entry a `cells` part")
    adata.layers["counts"] = counts
    adata.X = data.log_normalised(counts, adata.obs["total"].to_numpy())


if __name__ == "__main__":
    command.run(prepare)
