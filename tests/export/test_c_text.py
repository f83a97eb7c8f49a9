"""Numbers in C keep every bit, and lines stay readable."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyprop.export import c_text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_the_same_bits_when_read_again(value):
    text = c_text.float_text(value)
    assert text.endswith("f")
    again = float.fromhex(text[:-1]) if "x" in text else float(text[:-1])
    assert np.float32(again).tobytes() == np.float32(value).tobytes()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0f"), (-0.0, "-0.0f"), (1.0, "0x1p+0f"), (-0.375, "-0x1.8p-2f"), (0.1, "0x1.99999ap-4f")],
)
def test_floats_are_written_without_digits_that_say_nothing(value, text):
    assert c_text.float_text(value) == text


def test_arrays_are_filled_lines_of_at_most_120_columns():
    values = np.random.default_rng(0).normal(size=(3, 100)).astype(np.float32)
    text = c_text.rows(values)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    assert len(lines) < 3 * 100 / 5
    numbers = [float.fromhex(number[:-1]) for number in re.findall(r"-?0x[\da-fp.+-]+f", text)]
    assert np.array(numbers, np.float32).tobytes() == values.tobytes()


def test_words_are_hexadecimal_and_labels_decimal():
    assert c_text.words(np.array([1, 0xDEADBEEF], np.uint32)) == "    0x00000001u, 0xdeadbeefu,"
    assert c_text.integers(np.array([7, 12], np.uint32)) == "    7u, 12u,"
