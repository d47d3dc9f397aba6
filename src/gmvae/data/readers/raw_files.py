"""Reading the files of publishers: IDX images, R data, tables of counts; damaged files are refused in one line."""

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import rdata

from gmvae.formats.dataset import first_line
from gmvae.pipeline.errors import Refused

IDX_BYTES = 0x08  # the code of unsigned bytes in an IDX header


def read_whole(path: Path, read: Callable[[Path], object]) -> object:
    """Read a file with a function that raises some exception where the file is damaged.

    Args:
        path: The file.
        read: Function from a path to the content.

    Returns:
        What the function returns.

    Raises:
        Refused: The file is missing, truncated or of another format.
    """
    if not path.is_file():
        raise Refused(f"{path}: no such file; fetch it, or set mirror to a folder that has it")
    try:
        return read(path)
    except Exception as failure:  # gzip, pandas and rdata raise a dozen kinds for one cause: the file is not whole
        raise Refused(
            f"{path}: damaged or of another format ({first_line(failure)}); remove it and fetch it again"
        ) from failure


def read_idx(path: Path) -> np.ndarray:
    """Read the unsigned bytes of a compressed IDX file: magic number, sizes, values.

    Args:
        path: The gzip file.

    Returns:
        An array of uint8 with the sizes that the file states.

    Raises:
        ValueError: The file is of another type, or shorter than it states.

    Source: LeCun et al. 1998.
    """
    content = gzip.decompress(path.read_bytes())
    if content[:3] != bytes([0, 0, IDX_BYTES]):
        raise ValueError(f"expected the magic number of bytes, found {content[:4].hex()}")
    sizes = np.frombuffer(content, dtype=">u4", offset=4, count=content[3])
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def read_r_data(path: Path) -> object:
    """Read a file of R; objects of classes that rdata does not know keep their plain attributes.

    Args:
        path: An .rda or .rds file.

    Returns:
        A dict of variables for .rda, the one object for .rds.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one warning for each such class
        return rdata.read_rds(path) if path.suffix == ".rds" else rdata.read_rda(path)


def read_table(path: Path) -> pd.DataFrame:
    """Read a csv file of R, compressed or not; its first column, which has no name, holds the row names."""
    return pd.read_csv(path, index_col=0)


def check_published(what: str, actual: object, published: object) -> None:
    """Compare a figure of a file with the one that is known of the public dataset.

    Args:
        what: File and figure, for the message.
        actual: The figure in the file.
        published: The known figure.

    Raises:
        Refused: The two differ.
    """
    if actual != published:
        raise Refused(
            f"{what}: found {actual}, the published figure is {published}; remove the file and fetch it again"
        )
