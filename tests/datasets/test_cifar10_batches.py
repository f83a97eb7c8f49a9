from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.datasets.python2_pickle import Raw, python2_pickle
from tinyprop.datasets.cifar10_batches import read_binary_batch, read_python_batch, write_binary_batch
from tinyprop.errors import DataError

IMAGES = np.arange(2 * 3072, dtype=np.uint32).astype(np.uint8).reshape(2, 3, 32, 32)
LABELS = np.array([9, 0], dtype=np.uint8)


EVIL = Raw(b"cposix\nsystem\n" + b"(U\x0etouch executedtR")


def test_a_python_batch_is_read(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(python2_pickle({b"data": IMAGES.reshape(2, -1), b"labels": [9, 0]}))
    images, labels = read_python_batch(path)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_a_binary_batch_is_a_label_and_the_red_green_and_blue_rows(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(b"\x09" + IMAGES[0].tobytes() + b"\x00" + IMAGES[1].tobytes())
    images, labels = read_binary_batch(path)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    write_binary_batch(tmp_path / "again", images, labels)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (python2_pickle({b"data": EVIL, b"labels": [9, 0]}), "refers to posix.system"),
        (python2_pickle({b"data": np.zeros((2, 3072), dtype=np.int8), b"labels": [9, 0]}), "not of unsigned bytes"),
        (python2_pickle({b"data": np.zeros((2, 3072)), b"labels": [9, 0]}), "not of unsigned bytes"),
        (python2_pickle({b"data": IMAGES.reshape(2, -1), b"labels": [9]}), r"\(2, 3072\) for 1 labels"),
        (python2_pickle({b"data": IMAGES.reshape(2, -1), b"labels": [9, 10]}), "label 10 is out of range"),
        (python2_pickle({b"data": IMAGES.reshape(2, -1), b"labels": [9, -1]}), "label -1 is out of range"),
        (python2_pickle({b"data": b"text", b"labels": [9, 0]}), "not an array and a list"),
        (python2_pickle({b"labels": [9, 0]}), "cannot be unpickled safely"),
        (python2_pickle([1, 2]), "cannot be unpickled safely"),
        (python2_pickle({b"data": IMAGES.reshape(2, -1), b"labels": [9, 0]})[:-100], "cannot be unpickled safely"),
        (b"", "cannot be unpickled safely"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "refers to (builtins|__builtin__).eval"),
        (b"cnumpy\ndtype.__init__\n.", "refers to numpy.dtype.__init__"),
        (b"\x80\x02(c__builtin__\ngetattr\ncnumpy\nndarray\nX\x08\x00\x00\x00__init__tR.", "getattr"),
    ],
)
def test_nothing_but_a_batch_is_unpickled(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_python_batch(path)
    assert str(caught.value).startswith(str(path))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (bytes(3072), "3072 bytes"),
        (bytes(3073 + 1), "3074 bytes"),
        (b"\x0a" + bytes(3072), "label 10"),
    ],
)
def test_a_bad_binary_batch_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_binary_batch(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    for read in (read_binary_batch, read_python_batch):
        with pytest.raises(DataError, match="absent: missing"):
            read(tmp_path / "absent")
