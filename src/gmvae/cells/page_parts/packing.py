"""Columns of numbers as short text inside a page: few bits for each cell, compressed, in letters."""

import base64
import zlib

import numpy as np

MISSING = {np.uint8: 255, np.uint16: 65535}  # the code of a cell without a value


def pack_bytes(content: bytes) -> str:
    """Bytes compressed by zlib, in base64: browsers unpack them by themselves."""
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def pack_codes(codes: np.ndarray, kind: type) -> dict:
    """Write whole numbers as text that a browser unpacks by itself.

    Args:
        codes: Numbers from 0, negative for none, [N].
        kind: np.uint8 or np.uint16.

    Returns:
        `bits` of a number, and `text`: their bytes in little-endian order, packed.
    """
    stored = np.where(codes < 0, MISSING[kind], codes).astype(np.dtype(kind).newbyteorder("<"))
    return {"bits": stored.dtype.itemsize * 8, "text": pack_bytes(stored.tobytes())}


def pack_categories(codes: np.ndarray, n_categories: int) -> dict:
    """Write the codes of a column with categories; see `pack_codes`.

    Args:
        codes: Numbers of categories, -1 for none, [N].
        n_categories: How many categories there are.

    Returns:
        `bits` and `text`.
    """
    return pack_codes(codes, np.uint8 if n_categories < MISSING[np.uint8] else np.uint16)


def pack_numbers(values: np.ndarray, kind: type = np.uint16) -> dict:
    """Write real numbers, rounded to equal steps between the smallest and the largest.

    Args:
        values: Numbers, NaN for none, [N].
        kind: np.uint8 for 255 steps, np.uint16 for 65,535.

    Returns:
        `bits`, `text`, and `start` and `step`: a number is start + step · code.
    """
    is_known = np.isfinite(values)
    known = values[is_known]
    start, end = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    step = (end - start) / (MISSING[kind] - 1) or 1.0
    codes = np.full(len(values), -1, np.int64)
    codes[is_known] = np.rint((known.astype(np.float64) - start) / step)
    return pack_codes(codes, kind) | {"start": start, "step": step}
