"""What is checked of a file of cells before its values are read, for HDF5 files and zarr stores alike.

A header can state anything. Here it is compared with the other parts of the file, with the bytes that are there and
with the memory of this machine, so that a damaged or hostile file is refused before memory is taken.
"""

import math
import os

import h5py

from gmvae.pipeline.errors import Refused

DEPTH = 8  # of links and groups inside each other
INFLATION = 1100  # how many bytes one byte of gzip or lzf can become: 1032 is the limit of the format
SMALL = 1 << 20  # bytes; smaller arrays may be left unwritten, they read as zeros
KNOWN_RATIO = {1, 2, 3, 32000}  # numbers of HDF5's filters gzip, shuffle, checksum and lzf
REWRITE = "write the file again with anndata, with all data inside it"


def has_part(store: object, path: str, where: str) -> bool:
    """Find out whether a file has a part, without opening another file.

    Args:
        store: An h5py or zarr group.
        path: The part's path in it.
        where: File and group, for messages.

    Returns:
        Whether it is there.

    Raises:
        Refused: A link on the way leads out of the file.
    """
    if isinstance(store, h5py.Group):
        check_links(store, path, where)
        return store.get(path) is not None  # `in` says yes to a link to nothing
    return path in store


def open_part(store: object, path: str, where: str, members: bool = True, depth: int = 0) -> object:
    """Open a part of a file and check where its bytes are, how they are packed and how many there are.

    Args:
        store: An h5py or zarr group.
        path: The part's path in it.
        where: File and group, for messages.
        members: Whether all members of a group are checked too; not for a group that is read member by member.
        depth: How many groups this one is in.

    Returns:
        The array or group of h5py or zarr; nothing of it is read.

    Raises:
        Refused: The part is missing, is a link out of the file, is stored outside it, is packed by an unknown filter,
            or states a size that it cannot have.
    """
    name = f"{where}: {path}"
    if depth > DEPTH:
        raise Refused(f"{name} has more than {DEPTH} groups inside each other; {REWRITE}")
    if not has_part(store, path, where):
        raise Refused(f"{name} is missing, or is a link to nothing; {REWRITE}")
    part = store[path]
    if isinstance(part, h5py.Dataset):
        check_hdf5_array(part, name)
    elif isinstance(part, h5py.Datatype):
        raise Refused(f"{name} is a data type without data; {REWRITE}")
    elif members and not is_array(part):
        for member in part:
            open_part(part, member, name, depth=depth + 1)
    return part


def is_array(part: object) -> bool:
    """Whether a part of a file is an array, not a group: h5py's and zarr's arrays have a shape.

    Args:
        part: An array or group of h5py or zarr.

    Returns:
        The answer.
    """
    return hasattr(part, "shape")


def check_links(group: h5py.Group, path: str, where: str, depth: int = 0) -> None:
    """Check that no link on the way to a part leads to another file.

    Args:
        group: Where the path starts.
        path: Names of links, separated by slashes; from the file's root where it starts with one.
        where: File and group, for messages.
        depth: How many soft links were followed.

    Raises:
        Refused: One of them does, or soft links follow each other without an end.
    """
    if depth > DEPTH:
        raise Refused(f"{where}: {path} is a chain of more than {DEPTH} soft links; {REWRITE}")
    if path.startswith("/"):
        group = group.file
    for name in filter(None, path.split("/")):
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise Refused(f"{where}: {name} is an external link to {link.filename}; allowed: no other file; {REWRITE}")
        if isinstance(link, h5py.SoftLink):
            check_links(group, link.path, where, depth + 1)
        group = group.get(name) if link else None
        if group is None:
            return  # the caller says that it is missing


def check_hdf5_array(array: h5py.Dataset, name: str) -> None:
    """Check the storage of an HDF5 array.

    Args:
        array: The array; nothing of it is read.
        name: File and part, for messages.

    Raises:
        Refused: Its bytes are in other files, its filter is unknown, or it states more bytes than the file can hold.
    """
    if array.external:
        raise Refused(f"{name} is stored outside the file, in {array.external[0][0]}; allowed: inside; {REWRITE}")
    if array.is_virtual:
        raise Refused(f"{name} is a virtual dataset, a view of other files; allowed: data inside the file; {REWRITE}")
    settings = array.id.get_create_plist()
    filters = {settings.get_filter(i)[0]: settings.get_filter(i)[3] for i in range(settings.get_nfilters())}
    for number, title in filters.items():
        if not h5py.h5z.filter_avail(number):
            title = title.decode(errors="replace").split(";")[0] or "without a name"
            raise Refused(
                f"{name} is packed by HDF5's filter {number} ({title}), which is not installed; allowed: gzip, lzf; "
                "where it is installed: h5repack -f GZIP=4 FILE NEW, or with the package hdf5plugin in Python: "
                "import hdf5plugin, anndata; anndata.read_h5ad(FILE).write_h5ad(NEW)"
            )
    stated = math.prod(array.shape or (0,)) * array.dtype.itemsize
    present = min(array.id.get_storage_size(), os.path.getsize(array.file.filename))
    if filters.keys() <= KNOWN_RATIO and stated > max(present * (INFLATION if filters else 1), SMALL):
        raise Refused(
            f"{name} states shape {array.shape}, {stated} bytes, but the file holds {present} bytes of it; it is "
            "damaged or was never written: make the file again"
        )


def check_memory(n_bytes: int, name: str) -> None:
    """Check that a part fits into the memory of this machine.

    Args:
        n_bytes: How many bytes are read at once.
        name: File and part, for messages.

    Raises:
        Refused: They are more than the machine has.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if n_bytes > memory:
        raise Refused(
            f"{name} needs {n_bytes / 1e9:.4g} GB of memory, this machine has {memory / 1e9:.4g} GB; use counts "
            "stored by rows (CSR), which stay in the file, or a larger machine; if the file is small, it is damaged"
        )


def check_whole(array: object, shape: tuple[int, ...], name: str) -> None:
    """Check an array that is read at once.

    Args:
        array: The array of h5py or zarr.
        shape: Its shape as the other parts of the file have it.
        name: File and part, for messages.

    Raises:
        Refused: It has another shape, or is larger than the memory.
    """
    if tuple(array.shape) != shape:
        raise Refused(
            f"{name} has shape {tuple(array.shape)}; allowed: {shape}, as the other parts; make the file again"
        )
    check_memory(math.prod(shape) * array.dtype.itemsize, name)
