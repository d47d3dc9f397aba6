"""Packed columns: what is unpacked, by hand, is what was packed, up to half a step."""

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmvae.cells.page_parts import packing


def unpacked(column: dict) -> np.ndarray:
    """The codes of a packed column, as the page's script reads them."""
    kind = {8: "<u1", 16: "<u2"}[column["bits"]]
    return np.frombuffer(zlib.decompress(base64.b64decode(column["text"])), kind).astype(np.int64)


@pytest.mark.parametrize(("n_categories", "bits"), [(3, 8), (254, 8), (255, 16), (1000, 16)])
def test_categories_take_as_few_bits_as_they_need_and_none_is_the_largest_code(n_categories, bits):
    codes = np.array([-1, 0, n_categories - 1, 1])
    column = packing.pack_categories(codes, n_categories)
    assert column["bits"] == bits
    missing = 2**bits - 1
    assert unpacked(column).tolist() == [missing, 0, n_categories - 1, 1] and n_categories - 1 < missing


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1), st.sampled_from([np.uint8, np.uint16]))
def test_numbers_come_back_within_half_a_step(values, kind):
    values = np.array(values)
    column = packing.pack_numbers(values, kind)
    codes, missing = unpacked(column), 2 ** column["bits"] - 1
    np.testing.assert_array_equal(codes == missing, np.isnan(values))
    known = codes != missing
    numbers = column["start"] + column["step"] * codes[known]
    np.testing.assert_allclose(numbers, values[known], rtol=1e-9, atol=0.501 * column["step"])
    if np.ptp(values[known]) if known.any() else 0:
        assert column["step"] == pytest.approx(np.ptp(values[known]) / (missing - 1))
