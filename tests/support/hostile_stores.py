"""What a hostile person writes into a file of cells: changes of an HDF5 file or zarr store, by what they claim."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np

HUGE = 1 << 40
NAMES = ["../../escape", "/etc/passwd", "a\nb", "", "$(touch escape)", "x" * 10_000, "\u202egene"]


def put(group: h5py.Group, name: str, values: object, **options: object) -> None:
    """Replace an array by other values; its attributes stay."""
    attributes = dict(group[name].attrs)
    del group[name]
    group.create_dataset(name, data=values, **options).attrs.update(attributes)


def change_counts(change: object) -> object:
    return lambda file: put(file["X"], "data", change(file["X/data"][...]))


def change_part(path: str, change: object) -> object:
    group, _, name = path.rpartition("/")
    return lambda file: put(file[group], name, change(file[path][...]))


def with_first(values: np.ndarray, first: object) -> np.ndarray:
    changed = values.copy()
    changed[0] = first
    return changed


def claim_dense(file: h5py.File) -> None:
    del file["X"]
    file.create_dataset("X", (HUGE, HUGE // 2**10), "f4", chunks=(1, 1024))


def claim_compressed(file: h5py.File) -> None:
    """CSR of a thousand million zeros that take some hundred kilobytes."""
    group, n, chunk = file["X"], 1 << 30, 1 << 24
    for name, kind in (("data", "i1"), ("indices", "i1")):
        del group[name]
        array = group.create_dataset(name, (n,), kind, chunks=(chunk,), compression="gzip")
        array[:chunk] = 0
        packed = array.id.read_direct_chunk((0,))[1]
        for start in range(chunk, n, chunk):
            array.id.write_direct_chunk((start,), packed)
    pointers = np.full(len(group["indptr"]), n, dtype=np.int64)
    pointers[0] = 0
    put(group, "indptr", pointers)


def claim_names(file: h5py.File) -> None:
    del file["obs/_index"]
    file["obs"].create_dataset("_index", (HUGE,), h5py.string_dtype(), chunks=(1024,))


def store_elsewhere(file: h5py.File) -> None:
    del file["X/data"]
    file["X"].create_dataset("data", (100,), "f4", external=[("/etc/passwd", 0, 400)])


def view_elsewhere(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((100,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "data", (100,))
    del file["X/data"]
    file["X"].create_virtual_dataset("data", layout)


def link(path: str, target: object) -> object:
    def change(file: h5py.File) -> None:
        del file[path]
        file[path] = target

    return change


def nest_groups(file: h5py.File) -> None:
    group = file["obs"]
    for _ in range(300):
        group = group.create_group("g")


def contain_itself(file: h5py.File) -> None:
    file["X/again"] = file["X"]


def set_attribute(path: str, name: str, value: object) -> object:
    def change(file: h5py.File) -> None:
        file[path].attrs[name] = value

    return change


CHANGES = {  # of an .h5ad, its counts as CSR
    "NaN": change_counts(lambda values: with_first(values, np.nan)),
    "infinite": change_counts(lambda values: with_first(values, np.inf)),
    "negative": change_counts(lambda values: with_first(values, -1)),
    "halves": change_counts(lambda values: values / 2),
    "counts of 10^38": change_counts(lambda values: with_first(values, 1e38)),
    "texts": change_counts(lambda values: np.array([b"1"] * len(values))),
    "complex": change_counts(lambda values: values.astype("c8")),
    "structs": change_counts(lambda values: np.zeros(len(values), dtype=[("a", "f4"), ("b", "f4")])),
    "booleans": change_counts(lambda values: values > 1),
    "too few": change_counts(lambda values: values[:-5]),
    "none": change_counts(lambda values: values[:0]),
    "indices of -1": change_part("X/indices", lambda values: with_first(values, -1)),
    "indices of 2^31": change_part("X/indices", lambda values: with_first(values, 2**31 - 1)),
    "indices as numbers with a point": change_part("X/indices", lambda values: values + 0.5),
    "pointers backwards": change_part("X/indptr", lambda values: values[::-1]),
    "pointers of 2^62": change_part("X/indptr", lambda values: with_first(values[::-1].astype("i8"), 2**62)[::-1]),
    "a dense matrix of 2^70": claim_dense,
    "a thousand million zeros": claim_compressed,
    "2^40 names": claim_names,
    "bytes in another file": store_elsewhere,
    "a view of another file": view_elsewhere,
    "a link to another file": link("X", h5py.ExternalLink("/etc/passwd", "X")),
    "obs in another file": link("obs", h5py.ExternalLink("../../escape.h5", "obs")),
    "a link to itself": link("X", h5py.SoftLink("/X")),
    "a link to nothing": link("obs/_index", h5py.SoftLink("/nothing")),
    "many groups": nest_groups,
    "a group that contains itself": contain_itself,
    "a shape of -1": set_attribute("X", "shape", np.array([-1, 6])),
    "a shape of 2^63": set_attribute("X", "shape", np.array([2**63, 6], dtype=np.uint64)),
    "a shape of one number": set_attribute("X", "shape", np.array([40])),
    "a shape that is text": set_attribute("X", "shape", "many"),
    "an encoding of pickle": set_attribute("X", "encoding-type", "pickle"),
    "an index elsewhere": set_attribute("obs", "_index", "../../../etc/passwd"),
    "columns elsewhere": set_attribute("obs", "column-order", np.array(["../X", "/", "type"], dtype=object)),
    "codes out of range": change_part("obs/type/codes", lambda values: with_first(values, 100)),
    "codes of -5": change_part("obs/type/codes", lambda values: with_first(values, -5)),
    "too many codes": change_part("obs/type/codes", lambda values: np.tile(values, 3)),
    "hostile categories": change_part("obs/type/categories", lambda values: np.array(NAMES[:2], dtype=object)),
    "the same category twice": change_part("obs/type/categories", lambda values: np.array(["T", "T"], dtype=object)),
    "names that repeat": change_part("obs/_index", lambda values: with_first(values, values[1])),
    "hostile names": change_part("var/_index", lambda values: np.array(NAMES[:6], dtype=object)),
    "names with no end": change_part("var/_index", lambda values: np.array([b"\xff\xfe"] * 6)),
    "no names": change_part("var/_index", lambda values: values[:0]),
}


def unlink_one(store: Path, name: str) -> None:
    (store / name).unlink()


def replace_by_link(target: str) -> object:
    def change(store: Path, name: str) -> None:
        (store / name).unlink()
        (store / name).symlink_to(target)

    return change


def replace_by_pipe(store: Path, name: str) -> None:
    (store / name).unlink()
    os.mkfifo(store / name)


def replace_by_folder(store: Path, name: str) -> None:
    (store / name).unlink()
    (store / name).mkdir()


FILE_CHANGES = {  # of one file of a zarr store
    "a missing file": unlink_one,
    "a link to /etc/passwd": replace_by_link("/etc/passwd"),
    "a link to /dev/zero": replace_by_link("/dev/zero"),
    "a link to itself": replace_by_link("zarr.json"),
    "a pipe": replace_by_pipe,
    "a folder": replace_by_folder,
}


def copy_changed(store: Path, target: Path, name: str, change: object) -> Path:
    """A copy of a zarr store with one file changed."""
    shutil.copytree(store, target)
    change(target, name)
    return target
