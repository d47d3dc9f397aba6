"""Reading what publishers give: IDX images, R data, tables of counts; each refused in one line where not whole."""

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
    """What `read` makes of the file. Raises Refused where it is missing, truncated or of another format."""
    if not path.is_file():
        raise Refused(f"{path}: no such file; fetch it, or set mirror to a folder that holds it")
    try:
        return read(path)
    except Exception as failure:  # gzip, pandas and rdata raise a dozen kinds for one cause: the file is not whole
        raise Refused(
            f"{path}: damaged or of another format ({first_line(failure)}); remove it and fetch anew"
        ) from failure


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in a compressed IDX file (LeCun et al. 1998): magic number, sizes, values."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != bytes([0, 0, IDX_BYTES]):
        raise ValueError(f"expected the magic number of bytes, found {content[:4].hex()}")
    sizes = np.frombuffer(content, dtype=">u4", offset=4, count=content[3])
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def read_r_data(path: Path) -> object:
    """What an .rda (a dict) or .rds file holds. Classes of R that are not known stay plain attributes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one line for each such class
        return rdata.read_rds(path) if path.suffix == ".rds" else rdata.read_rda(path)


def read_table(path: Path) -> pd.DataFrame:
    """A compressed csv of R: the first column, which has no name, holds the row names."""
    return pd.read_csv(path, index_col=0)


def check_published(what: str, found: object, known: object) -> None:
    """Raise Refused where a figure that is known of a public data set is another one in the file."""
    if found != known:
        raise Refused(f"{what}: found {found}, the published figure is {known}; remove the file and fetch it anew")
