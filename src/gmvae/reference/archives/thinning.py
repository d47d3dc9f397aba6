"""Files of results without what figures do not read: data sets without their matrices, latents without coordinates.

How far a file can be thinned is not known beforehand; `book_part` draws the figures and goes up LEVELS until they have
the same bytes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from anndata.io import read_elem

from gmvae.formats.latent import Latent, showcase_rows

DICT = {"encoding-type": "dict", "encoding-version": "0.1.0"}


class Level(NamedTuple):
    """What is left of the files: how a latent is thinned and how a data set, None for whole."""

    latent: Callable[[h5py.File, h5py.File], None] | None
    data: Callable[[h5py.File, h5py.File], None] | None


def thin_file(path: Path, level: Level, target: Path) -> bool:
    """Write a thinned file.

    Args:
        path: A data set, or a latent.h5ad.
        level: How far it is thinned.
        target: The file to write.

    Returns:
        False where the level leaves the file whole, and nothing was written.
    """
    thin = level.latent if path.name == "latent.h5ad" else level.data
    if thin is None:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path) as whole, h5py.File(target, "w") as thinned:
        thinned.attrs.update(whole.attrs)
        for name in whole:
            if name in ("obs", "var"):
                whole.copy(name, thinned)
            elif name != "X":
                thinned.create_group(name).attrs.update(DICT)
        thin(whole, thinned)
    return True


def thin_dataset(whole: h5py.File, thinned: h5py.File) -> None:
    """Copy `uns` of a data set and, of its matrices, the rows that are shown as images.

    Args:
        whole: The data set.
        thinned: The file to write, which has obs and var, and empty groups.
    """
    copy_members(whole, thinned, "uns")
    rows = np.sort(showcase_rows(Latent(Path(whole.filename))))
    for name in ["X", *(f"layers/{layer}" for layer in whole["layers"])]:
        if isinstance(whole[name], h5py.Group):
            copy_sparse_rows(whole[name], thinned.create_group(name), rows)
        else:
            copy_dense_rows(whole[name], thinned, rows)


def copy_dense_rows(matrix: h5py.Dataset, thinned: h5py.File, rows: np.ndarray) -> None:
    """Write some rows of a matrix [N, D]; HDF5 stores nothing of the others, and reads them as 0."""
    copy = thinned.create_dataset(
        matrix.name, matrix.shape, matrix.dtype, chunks=(1, matrix.shape[1]), compression="gzip"
    )
    copy.attrs.update(matrix.attrs)
    for row in rows:
        copy[row] = matrix[row]


def copy_sparse_rows(matrix: h5py.Group, copy: h5py.Group, rows: np.ndarray) -> None:
    """Write some rows of a CSR matrix [N, D], the others without an entry."""
    pointers = matrix["indptr"][()]
    sizes = np.zeros(len(pointers) - 1, dtype=pointers.dtype)
    sizes[rows] = np.diff(pointers)[rows]
    copy.attrs.update(matrix.attrs)
    for name in ("data", "indices"):
        parts = [matrix[name][pointers[row] : pointers[row + 1]] for row in rows]
        copy.create_dataset(name, data=np.concatenate(parts, dtype=matrix[name].dtype), compression="gzip")
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(pointers.dtype)
    copy.create_dataset("indptr", data=indptr, compression="gzip")


def thin_latent(whole: h5py.File, thinned: h5py.File) -> None:
    """As `thin_shown_latent`, without the images and samples of models that decode."""
    copy_members(whole, thinned, "uns", "showcase")
    copy_objectives(whole, thinned)


def thin_shown_latent(whole: h5py.File, thinned: h5py.File) -> None:
    """Copy `uns` of a latent and what its readers ask for: z, without dimensions, and the objective of each seed.

    Args:
        whole: The latent of a run.
        thinned: The file to write, which has obs and var, and empty groups.
    """
    copy_members(whole, thinned, "uns")
    copy_objectives(whole, thinned)


def copy_members(whole: h5py.File, thinned: h5py.File, group: str, left_out: str = "") -> None:
    """Copy the members of a group, but for one."""
    for name in whole[group]:
        if name != left_out:
            whole.copy(f"{group}/{name}", thinned[group])


def copy_objectives(whole: h5py.File, thinned: h5py.File) -> None:
    """Write z [N, 0] of each seed, and in each row the mean objective over its split: by it a seed is picked."""
    splits = np.asarray(read_elem(whole["obs/split"]))
    for name, part in whole["obsm"].items():
        if name.startswith("z_"):
            copy = thinned.create_dataset(f"obsm/{name}", (len(splits), 0), part.dtype)
            copy.attrs.update(part.attrs)
        elif name.startswith("terms_") and "objective" in part:
            copy_objective(part, thinned.create_group(f"obsm/{name}"), splits, thinned["obs"])


def copy_objective(terms: h5py.Group, copy: h5py.Group, splits: np.ndarray, obs: h5py.Group) -> None:
    """Write a table with the mean objective over each split, in the rows of the split."""
    values = terms["objective"][()].astype(np.float64)
    for split in np.unique(splits):
        values[splits == split] = values[splits == split].mean()
    copy.attrs.update(terms.attrs)
    copy.attrs["column-order"] = np.array(["objective"], dtype=object)
    copy.attrs["_index"] = "_index"
    copy["_index"] = obs[obs.attrs["_index"]]  # the same names, stored once
    column = copy.create_dataset("objective", data=values, compression="gzip")
    column.attrs.update(terms["objective"].attrs)


LEVELS = (  # from the least that is left of the files to all
    Level(thin_latent, thin_dataset),
    Level(thin_shown_latent, thin_dataset),
    Level(thin_shown_latent, None),
    Level(None, None),
)
