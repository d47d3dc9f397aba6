"""Step prepare: a source's raw files become the data set that all later steps read."""

import importlib
from importlib.util import find_spec
from pathlib import Path

import anndata
import numpy as np

from gmvae import command, data, files
from gmvae.errors import Refused
from gmvae.sources import parameters


def prepare(
    source: str,
    output: Path,
    name: str,
    raw: Path | None = None,
    settings: dict | None = None,
    test_share: float | None = None,
    split_seed: int = 0,
) -> None:
    """Read a source, split it into training and test rows, check it, and write it as one .h5ad.

    source: the reader, a module of gmvae.datasets. output: the .h5ad to write. name: shown in figures and tables.
    raw: the folder of the source's downloaded files. settings: keywords of the reader. test_share: the share of test
    rows, drawn alike in every class, condition and batch; none where the source brings its own split. split_seed:
    the seed of that draw. Raises Refused where the source is unknown, a file is damaged or breaks the data contract.
    """
    adata = raw_set(source, raw, settings or {})
    assign_split(adata, source, test_share, split_seed)
    if "counts" in adata.layers:
        normalise(adata)
    adata.uns["name"] = name
    data.check(adata, f"data set {output.stem}")
    files.write_h5ad(adata, output)


def raw_set(source: str, raw: Path | None, settings: dict) -> anndata.AnnData:
    """What gmvae.datasets.<source> reads. Raises Refused where there is no such module or it takes no such setting."""
    if find_spec(f"gmvae.datasets.{source}") is None:
        known = sorted(path.stem for path in Path(__file__).with_name("datasets").glob("[!_]*.py"))
        raise Refused(f"source: '{source}' is unknown; allowed: {', '.join(known)}")
    taken = parameters(f"gmvae.datasets.{source}", "read")[1:]
    for key in settings:
        if key not in taken:
            raise Refused(f"settings of source {source}: '{key}' is unknown; allowed: {', '.join(taken) or 'none'}")
    return importlib.import_module(f"gmvae.datasets.{source}").read(raw, **settings)


def assign_split(adata: anndata.AnnData, source: str, test_share: float | None, seed: int) -> None:
    """Store obs["split"] in place, and print which classes are too small to be tested."""
    if ("split" in adata.obs) != (test_share is None):
        found = "is missing" if test_share is None else f"is {test_share}, but the source brings its own split"
        raise Refused(
            f"test_share {found}; allowed with source {source}: {'a share in (0, 1)' if test_share is None else 'none'}"
        )
    if test_share is not None:
        if not 0 < test_share < 1:
            raise Refused(f"test_share is {test_share}; allowed: a share in (0, 1), such as 0.2")
        adata.obs["split"] = data.split(adata.obs, test_share, seed)
    if "label" in adata.obs:
        tested = adata.obs["label"][adata.obs["split"] == "test"]
        for label in sorted(set(adata.obs["label"].cat.categories) - set(tested)):
            n = int((adata.obs["label"] == label).sum())
            print(f"class '{label}' has {n} row{'s' * (n != 1)}, all in the training split: it is not tested")


def normalise(adata: anndata.AnnData) -> None:
    """Set X to the logarithm of library-size-normalised counts, in place. A reader's own totals stay."""
    counts = adata.layers["counts"]
    data.check_counts(counts, "layers['counts']")
    if "total" not in adata.obs:
        adata.obs["total"] = np.asarray(counts.sum(axis=1)).ravel().astype(np.float64)
    if (adata.obs["total"] <= 0).any():
        raise Refused(f"{int((adata.obs['total'] <= 0).sum())} cells have no counts; drop them or set min_counts to 1")
    adata.X = data.log_normalised(counts, adata.obs["total"].to_numpy())


if __name__ == "__main__":
    command.run(prepare)
