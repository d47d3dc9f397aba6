"""Columns of the tables obs and var of an AnnData in an HDF5 file or a zarr store, read one by one.

anndata decodes each column; what nobody asks for is not looked at, so that it may be in any encoding. The layouts of
all versions are read: before 0.8 categories are behind a reference, before 0.7 a table is one array of structs, whose
categories are in uns.
"""

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem

from gmvae.formats.dataset import first_line
from gmvae.formats.stored_checks import check_memory, check_whole, has_part, is_array, open_part
from gmvae.pipeline.errors import Refused


def read_names(store: object, table: str, where: str) -> pd.Index:
    """Read the names of cells or genes.

    Args:
        store: The root group.
        table: obs, var or raw/var.
        where: The file, for messages.

    Returns:
        The names [N], as the file has them.

    Raises:
        Refused: They are missing or cannot be read.
    """
    group = open_part(store, table, where, members=False)
    if is_array(group):
        return pd.Index(read_field(group, struct_fields(group, f"{where}: {table}")[0]))
    key = index_key(group)
    names = open_part(group, key, f"{where}: {table}")
    title = f"{where}: {table}/{key}"
    if is_array(names):
        check_whole(names, tuple(names.shape[:1]), title)
    return pd.Index(decode(names, title))


def read_column(store: object, table: str, name: str, n_rows: int, where: str, key: str) -> pd.Series:
    """Read one column of a table.

    Args:
        store: The root group.
        table: obs, var or raw/var.
        name: Name of the column.
        n_rows: Number of the table's rows.
        where: The file, for messages.
        key: The setting that names the column, for messages.

    Returns:
        Its values [n_rows], named like the column.

    Raises:
        Refused: There is no such column, or it cannot be read.
    """
    group = open_part(store, table, where, members=False)
    title = f"{where}: {table}/{name}"
    columns = struct_fields(group, f"{where}: {table}")[1:] if is_array(group) else column_names(group)
    if name not in columns:
        raise Refused(f"{where}: {key} is '{name}', not a column of {table}; allowed: {', '.join(columns) or 'none'}")
    if is_array(group):
        values = legacy_categories(store, name, read_field(group, name), where)
    else:
        column = open_part(group, name, f"{where}: {table}")
        check_lengths(column, n_rows, title)
        values = decode(column, title)
    if np.shape(values) != (n_rows,):
        raise Refused(f"{title} has shape {np.shape(values)}; allowed: ({n_rows},); write the file again with anndata")
    return pd.Series(values, name=name)


def index_key(group: object) -> str:
    """The name of the member of a table that names its rows."""
    return str(group.attrs.get("_index", "_index" if "_index" in group else "index"))


def column_names(group: object) -> list[str]:
    """The names of a table's columns, in the order of the file."""
    return [str(name) for name in group.attrs.get("column-order", sorted(set(group) - {index_key(group)}))]


def check_lengths(column: object, n_rows: int, title: str) -> None:
    """Raise Refused where a column has not one value a row, or a part of it does not fit into memory."""
    if is_array(column):
        check_whole(column, (n_rows,), title)
        return
    for name in column:
        part = column[name]
        if is_array(part):
            check_whole(part, (n_rows,) if name in {"codes", "mask"} else tuple(part.shape), f"{title}/{name}")


def decode(part: object, title: str) -> np.ndarray | pd.Categorical:
    """The values of a part, as anndata decodes them. Raises Refused where it cannot."""
    try:
        if isinstance(part, h5py.Dataset) and "categories" in part.attrs:  # anndata 0.7
            categories = part.file[part.attrs["categories"]]
            open_part(part.file, categories.name, title)
            return pd.Categorical.from_codes(part[...], read_elem(categories))
        return read_elem(part)
    except Refused:
        raise
    except Exception as failure:  # h5py and anndata raise a dozen kinds for one cause
        encoding = part.attrs.get("encoding-type", "none")
        raise Refused(
            f"{title} cannot be read (encoding {encoding}; {first_line(failure)}); write it as text or a categorical"
        ) from failure


def struct_fields(table: object, title: str) -> tuple[str, ...]:
    """The names of the fields of an array of structs. Raises Refused for any other array."""
    if not isinstance(table, h5py.Dataset) or not table.dtype.names or len(table.shape) != 1:
        raise Refused(f"{title} is no table; write the file again with anndata")
    check_memory(table.shape[0] * table.dtype.itemsize, title)
    return table.dtype.names


def read_field(table: h5py.Dataset, name: str) -> np.ndarray:
    """One field of an array of structs [N], texts as str."""
    values = table.fields(name)[()]
    return np.array(texts(values), dtype=object) if values.dtype.kind in "SO" else values


def legacy_categories(store: h5py.File, name: str, values: np.ndarray, where: str) -> np.ndarray | pd.Categorical:
    """The values of a column [N] of the layout before anndata 0.7, whose categories, if any, are in uns."""
    path = f"uns/{name}_categories"
    if values.dtype.kind not in "iu" or not has_part(store, path, where):
        return values
    categories = texts(np.atleast_1d(open_part(store, path, where)[()]))
    try:
        return pd.Categorical.from_codes(values, categories)
    except ValueError as failure:
        raise Refused(f"{where}: {path} does not fit to obs/{name} ({failure}); make the file again") from failure


def texts(values: np.ndarray) -> list[str]:
    """Values as str, decoded where they are bytes."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]
