from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from tinyprop.datasets.idx import read_idx, write_idx
from tinyprop.errors import DataError

# Worked by hand after the format's description: magic, dimensions big-endian, rows of the array.
TWO_BY_THREE = bytes.fromhex("00000802 00000002 00000003 00010203 04ff")


@pytest.mark.parametrize("packed", [False, True])
def test_a_hand_written_file_is_read_plain_or_gzipped(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(TWO_BY_THREE) if packed else TWO_BY_THREE)
    np.testing.assert_array_equal(read_idx(path, (2, 3)), [[0, 1, 2], [3, 4, 255]])


def test_writing_gives_the_hand_written_file_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in "ab":
        write_idx(tmp_path / name, np.array([[0, 1, 2], [3, 4, 255]], dtype=np.uint8))
    assert gzip.decompress((tmp_path / "a").read_bytes()) == TWO_BY_THREE
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def gzip_cut(content: bytes) -> bytes:
    return gzip.compress(content)[:-12]


def gzip_flipped(content: bytes) -> bytes:
    packed = bytearray(gzip.compress(content))
    packed[-6] ^= 0xFF  # its CRC-32
    return bytes(packed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "ends within its header"),
        (TWO_BY_THREE[:7], "ends within its header"),
        (TWO_BY_THREE[:-1], "announces 6 bytes of data, there are only 5"),
        (TWO_BY_THREE + b"x", "announces 6 bytes of data, there are more"),
        (b"\0\0\x0d\x02" + TWO_BY_THREE[4:], "0x00000d02"),
        (b"\0\0\x08\x03" + TWO_BY_THREE[4:] * 2, "in 2 dimension"),
        (struct.pack(">IIII", 0x0802, 2, 4, 0), "says 2×4, expected 2×3"),
        (struct.pack(">III", 0x0802, 2**32 - 1, 2**32 - 1), "expected 2×3"),
        (gzip_cut(TWO_BY_THREE), "cannot be read or decompressed"),
        (gzip_flipped(TWO_BY_THREE), "cannot be read or decompressed"),
    ],
)
def test_a_bad_file_is_one_error_that_names_it(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, (2, 3))
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: missing"):
        read_idx(tmp_path / "absent", (None,))
