"""The IDX format of the MNIST files: big-endian header (type, dimensions), then the bytes; optionally gzipped.

Source: the format's description on the MNIST page by LeCun, Cortes and Burges.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from tinyprop.errors import DataError

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, expected: Sequence[int | None]) -> NDArray[np.uint8]:
    """Read an array of unsigned bytes.

    Args:
        path: a plain or gzipped file; its content tells which, not its name.
        expected: the shape that it must have; None admits any size of a dimension.

    Raises:
        DataError: the file is missing, damaged, of another type or shape, shorter or longer than its header says.
    """
    try:
        with closing(_opened(path)) as file:
            shape = _shape(path, file, expected)
            size = math.prod(shape)
            content = file.read(size + 1)
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing") from error
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f"it cannot be read or decompressed: {error}") from error
    if len(content) != size:
        found = f"only {len(content)}" if len(content) < size else "more"
        raise _damaged(path, f"its header announces {size} bytes of data, there are {found}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write a gzipped IDX file; equal arrays give equal files."""
    header = struct.pack(f">HBB{array.ndim}I", 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1, mtime=0))


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if gzipped else path.open("rb")


def _shape(path: Path, file: IO[bytes], expected: Sequence[int | None]) -> tuple[int, ...]:
    header = file.read(4 + 4 * len(expected))
    if len(header) < 4 + 4 * len(expected):
        raise _damaged(path, f"it ends within its header ({len(header)} bytes)")
    zero, kind, dimensions = struct.unpack_from(">HBB", header)
    if (zero, kind, dimensions) != (0, _UNSIGNED_BYTE, len(expected)):
        raise _damaged(
            path,
            f"it starts with 0x{header[:4].hex()}, an IDX file of unsigned bytes in {len(expected)} dimension(s) "
            f"with 0x0000{_UNSIGNED_BYTE:02x}{len(expected):02x}",
        )
    shape: tuple[int, ...] = struct.unpack_from(f">{dimensions}I", header, 4)
    if any(wanted not in (None, size) for size, wanted in zip(shape, expected, strict=True)):
        wanted_shape = "×".join("any" if wanted is None else str(wanted) for wanted in expected)
        raise _damaged(path, f"its header says {'×'.join(map(str, shape))}, expected {wanted_shape}")
    return shape


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path}: not the expected IDX file: {what}; replace it (`tinyprop data fetch mnist`)")
