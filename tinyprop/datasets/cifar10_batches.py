"""The two published layouts of a CIFAR-10 batch: pickled by Python 2, and binary.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009, and the dataset's page.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyprop.errors import DataError

CLASSES = 10
IMAGE_SHAPE = (3, 32, 32)
RECORD_BYTES = 1 + math.prod(IMAGE_SHAPE)

Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def read_binary_batch(path: Path) -> Batch:
    """Read records of one label byte and 3072 pixel bytes.

    Returns:
        Images, shape (n, 3, 32, 32), and labels, shape (n,).

    Raises:
        DataError: the file is missing, empty, cut within a record, or has a label over 9.
    """
    content = _content(path)
    if not content or len(content) % RECORD_BYTES:
        raise _damaged(path, f"{len(content)} bytes are not a whole number of {RECORD_BYTES}-byte records")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD_BYTES)
    return _checked(path, records[:, 1:], records[:, 0])


def write_binary_batch(path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Write images (n, 3, 32, 32) and labels (n,) as `read_binary_batch` reads them."""
    path.write_bytes(np.column_stack([labels, images.reshape(len(images), -1)]).tobytes())


def read_python_batch(path: Path) -> Batch:
    """Read a pickled batch without executing anything: no name in it but three stand-ins for numpy's is admitted.

    Returns:
        Images, shape (n, 3, 32, 32), and labels, shape (n,).

    Raises:
        DataError: the file is missing, damaged, or holds anything else than a batch.
    """
    content = _content(path)
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        stored, labels = batch[b"data"], batch[b"labels"]
        if not isinstance(stored, _StoredArray) or stored.content is None or not isinstance(labels, list):
            raise _damaged(path, "its data and labels are not an array and a list")
        return _checked(path, stored.content, np.array(labels, dtype=np.int64))
    except DataError:
        raise
    except Exception as error:  # a damaged pickle can raise about anything, from an opcode to a wrong operand
        raise _damaged(path, f"it cannot be unpickled safely: {error or type(error).__name__}") from error


class _StoredArray:
    """Receives what a pickled array of bytes consists of; numpy's own reconstruction stays out of it."""

    content: NDArray[np.uint8] | None = None

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, fortran_order, content = state
        if not (isinstance(kind, _StoredType) and kind.code in (b"u1", "u1") and isinstance(content, bytes)):
            raise pickle.UnpicklingError("an array that is not of unsigned bytes")
        self.content = np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if fortran_order else "C")


class _StoredType:
    """Receives a pickled array's element type; byte order and the like mean nothing for single bytes."""

    def __init__(self, code: object, *_flags: object):
        self.code = code

    def __setstate__(self, state: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Admits the three names that a batch refers to, as stand-ins of our own."""

    _ADMITTED: ClassVar[dict[tuple[str, str], Callable[..., object]]] = {
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: _StoredArray(),
        ("numpy", "ndarray"): _StoredArray,
        ("numpy", "dtype"): _StoredType,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no CIFAR-10 batch does") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; `tinyprop data fetch cifar10` downloads it") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _checked(path: Path, pixels: NDArray[np.uint8], labels: NDArray[np.integer[Any]]) -> Batch:
    if pixels.shape != (len(labels), math.prod(IMAGE_SHAPE)) or labels.ndim != 1:
        raise _damaged(path, f"pixels of shape {pixels.shape} for {len(labels)} labels, expected (n, 3072)")
    outside = labels[(labels < 0) | (labels >= CLASSES)]
    if len(outside):
        raise _damaged(path, f"label {outside[0]} is out of range 0 to {CLASSES - 1}")
    return pixels.reshape(-1, *IMAGE_SHAPE), labels.astype(np.uint8)


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path}: not a CIFAR-10 batch: {what}; replace it (`tinyprop data fetch cifar10`)")
