"""latent.h5ad, the format in which every run, trained or baseline, saves its result.

The rows are those of the dataset, in its order. For every seed s:
- obsm z_{s} [N, L];
- obsm q_y_{s} [N, K] and obs cluster_{s}, for runs with components;
- obsm terms_{s}, a table, for runs with an objective;
- obs disagree_{s}, for runs that average a prediction.
uns has task, model, seeds, n_components and labels_observed, and `showcase` for runs that decode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd

from gmvae.formats.dataset import check_h5ad_exists, unreadable_message
from gmvae.pipeline.errors import Refused

if TYPE_CHECKING:
    import anndata  # the import takes longer than most steps that read a latent

REQUIRED = ("task", "model", "seeds", "n_components", "labels_observed")


class Latent:
    """The latent of a run, as an AnnData shows it: `obs` is in memory, parts of `obsm` and `uns` are read at use."""

    def __init__(self, path: Path):
        self.obs: pd.DataFrame = read_stored(path, lambda file: decode_part(file["obs"]))
        self.obsm = StoredParts(path, "obsm")
        self.uns = StoredParts(path, "uns")

    @property
    def obs_names(self) -> pd.Index:
        """The names of the rows, [N]."""
        return self.obs.index

    @property
    def n_obs(self) -> int:
        """The number of rows N."""
        return len(self.obs)


class StoredParts(Mapping):
    """The members of a group of an .h5ad file, each of which is read when it is first asked for."""

    def __init__(self, path: Path, group: str):
        self.path, self.group = path, group
        self.names, self.values_by_name = read_stored(path, lambda file: list(file.get(group, ()))), {}

    def __getitem__(self, name: str) -> object:
        if name not in self.names:
            raise KeyError(name)
        if name not in self.values_by_name:
            self.values_by_name[name] = read_stored(self.path, lambda file: decode_part(file[self.group][name]))
        return self.values_by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def read_stored(path: Path, read: Callable[[h5py.File], object]) -> object:
    """What a function reads from an HDF5 file. Raises Refused where the file is missing or damaged."""
    check_h5ad_exists(path)
    try:
        with h5py.File(path) as file:
            return read(file)
    except Exception as failure:  # a damaged file makes h5py raise a dozen kinds of exceptions
        raise Refused(unreadable_message(path, failure)) from failure


def decode_part(part: h5py.Dataset | h5py.Group) -> object:
    """The value of a part of an .h5ad file, as anndata decodes it: array, number, text, categorical, table or dict."""
    encoding = part.attrs.get("encoding-type")
    if encoding in ("array", "numeric-scalar"):
        return part[()]
    if encoding in ("string-array", "string"):
        return part.asstr()[()]
    if encoding == "categorical":
        categories = pd.Index(decode_part(part["categories"]))
        return pd.Categorical.from_codes(part["codes"][()], categories, ordered=bool(part.attrs["ordered"]))
    if encoding == "dataframe":
        index = pd.Index(decode_part(part[part.attrs["_index"]]))
        return pd.DataFrame({name: decode_part(part[name]) for name in part.attrs["column-order"]}, index=index)
    if encoding == "dict":
        return {name: decode_part(member) for name, member in part.items()}
    from anndata.io import read_elem  # only for encodings that this project does not write: the import is slow

    return read_elem(part)


def read_latent(path: Path) -> Latent:
    """Read the latent of a run.

    Args:
        path: A latent.h5ad.

    Returns:
        The latent, checked for the parts that every run has.

    Raises:
        Refused: The file is missing or damaged, or lacks such a part.
    """
    latent = Latent(path)
    missing = [f"uns[{key}]" for key in REQUIRED if key not in latent.uns]
    missing += [] if "split" in latent.obs else ["obs[split]"]
    missing += [f"obsm[z_{seed}]" for seed in latent.uns.get("seeds", []) if f"z_{seed}" not in latent.obsm]
    if missing:
        raise Refused(f"{path} lacks {', '.join(missing)}: delete it and run the step `embed` or `baseline` again")
    return latent


def run_seeds(latent: anndata.AnnData | Latent) -> list[int]:
    """The seeds of a run, in the order of its latent."""
    return [int(seed) for seed in latent.uns["seeds"]]


def run_clusters(latent: anndata.AnnData | Latent, seed: int) -> np.ndarray | None:
    """The component of each row.

    Args:
        latent: The latent of a run, with N rows.
        seed: One of its seeds.

    Returns:
        Numbers of components, [N]; None for a run without components.
    """
    if int(latent.uns["n_components"]) == 0 or f"cluster_{seed}" not in latent.obs:
        return None
    return latent.obs[f"cluster_{seed}"].to_numpy(dtype=np.int64)


def pick_seed(latent: anndata.AnnData | Latent) -> int:
    """The seed with the largest mean `objective` on the training split; labels are not used.

    Args:
        latent: The latent of a run.

    Returns:
        The seed; the first one if several are equal, or if the run has no objective.
    """
    train = (latent.obs["split"] == "train").to_numpy()
    return run_seeds(latent)[int(np.argmax([mean_objective(latent, seed, train) for seed in run_seeds(latent)]))]


def mean_objective(latent: anndata.AnnData | Latent, seed: int, rows: np.ndarray) -> float:
    """Mean `objective` of one seed over the rows (a mask [N]); minus infinity for runs without one."""
    terms = latent.obsm.get(f"terms_{seed}")
    if terms is None or "objective" not in terms:
        return float("-inf")
    mean = float(np.mean(terms["objective"].to_numpy(dtype=np.float64)[rows]))
    return mean if np.isfinite(mean) else float("-inf")


def showcase_rows(adata: anndata.AnnData | Latent, n_rows: int = 10) -> np.ndarray:
    """Some test rows for figures: the first row of every class in turn, then the second, and so on.

    Args:
        adata: A dataset or latent.
        n_rows: Largest number of rows.

    Returns:
        Positions of the rows; without labels, those of the first test rows.
    """
    test = np.flatnonzero(adata.obs["split"] == "test")
    if "label" in adata.obs:
        codes = adata.obs["label"].cat.codes.to_numpy()[test]
        turn = np.array([np.count_nonzero(codes[:i] == code) for i, code in enumerate(codes)], dtype=np.int64)
        test = test[np.lexsort((codes, turn))]
    return test[:n_rows]
