from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.http_server import FileServer
from tests.datasets.python2_pickle import python2_pickle
from tinyprop.datasets import cifar10
from tinyprop.datasets.cifar10 import MEAN, STD, Cifar10Settings, fetch, load, present, verify
from tinyprop.datasets.cifar10_batches import write_binary_batch
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, RequestError

COUNT = 20  # images of a batch in these tests


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(number)
    return (
        generator.integers(0, 256, (COUNT, 3, 32, 32), dtype=np.uint8),
        generator.integers(0, 10, COUNT, dtype=np.uint8),
    )


def python_files() -> dict[str, bytes]:
    """The files of the Python layout."""
    files = {}
    for number, name in enumerate(cifar10.PYTHON_FILES):
        images, labels = batch(number)
        content = {b"data": images.reshape(COUNT, -1), b"labels": labels.tolist(), b"filenames": [b"a.png"] * COUNT}
        files[name] = python2_pickle(content)
    return files


@pytest.fixture
def published(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """A web server with a small archive as if it were the official one."""
    files = python_files()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    server.files["/archive"] = packed.getvalue()
    checksums = {name: f"md5:{hashlib.md5(content).hexdigest()}" for name, content in files.items()}
    remote = replace(
        cifar10.ARCHIVE,
        urls=(server.url("/archive"),),
        checksum=f"md5:{hashlib.md5(packed.getvalue()).hexdigest()}",
        size=len(packed.getvalue()),
    )
    monkeypatch.setattr(cifar10, "PYTHON_FILES", checksums)
    monkeypatch.setattr(cifar10, "ARCHIVE", remote)
    monkeypatch.setattr(cifar10, "BATCH_SIZE", COUNT)
    return server


@pytest.fixture
def python_layout(published: FileServer, tmp_path: Path) -> Path:
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, content in python_files().items():
        (folder / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def binary_layout(published: FileServer, tmp_path: Path) -> Path:
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for number, name in enumerate(cifar10.BINARY_FILES):
        write_binary_batch(folder / name, *batch(number))
    return tmp_path


def settings(root: Path, source: str = "local", **others: object) -> Cifar10Settings:
    return Cifar10Settings(root=str(root), source=source, **others)  # type: ignore[arg-type]


def test_the_python_layout_gives_the_images_in_order_channels_first(python_layout: Path) -> None:
    dataset = load(settings(python_layout, normalize=False))
    expected = np.concatenate([batch(number)[0] for number in range(5)])
    np.testing.assert_array_equal(np.round(dataset.train.x * 255), expected)
    np.testing.assert_array_equal(dataset.test.y, batch(5)[1])
    assert dataset.train.x.dtype == np.float32
    assert dataset.classes[3] == "cat"


def test_the_binary_layout_gives_the_same_dataset(python_layout: Path, binary_layout: Path, tmp_path: Path) -> None:
    python = load(settings(python_layout)).fingerprint
    (tmp_path / "cifar10" / "cifar-10-batches-py" / "test_batch").unlink()
    assert load(settings(binary_layout)).fingerprint == python


def test_normalisation_is_per_channel_by_the_training_sets_constants(python_layout: Path) -> None:
    dataset = load(settings(python_layout))
    for channel in range(3):
        expected = (batch(5)[0][:, channel] / 255 - MEAN[channel]) / STD[channel]
        np.testing.assert_allclose(dataset.test.x[:, channel], expected, rtol=1e-5, atol=1e-6)


def test_a_subset_reads_only_the_files_that_it_needs(python_layout: Path) -> None:
    (python_layout / "cifar10" / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"damaged")
    assert len(load(settings(python_layout, subset=Subset(train=COUNT))).train) == COUNT
    with pytest.raises(DataError, match="data_batch_2"):
        load(settings(python_layout, subset=Subset(train=COUNT + 1)))


def test_a_subset_larger_than_the_dataset_is_refused(python_layout: Path) -> None:
    with pytest.raises(RequestError, match=f"train split has {5 * COUNT}"):
        load(settings(python_layout, subset=Subset(train=5 * COUNT + 1)))


def test_auto_downloads_and_unpacks_and_keeps_no_archive(published: FileServer, tmp_path: Path) -> None:
    dataset = load(settings(tmp_path, "auto"))
    assert len(dataset.train) == 5 * COUNT
    assert [check.status for check in verify(str(tmp_path))] == ["ok"] * 7
    assert present(str(tmp_path)) == (7, 7)
    assert not (tmp_path / "cifar10" / cifar10.ARCHIVE.name).exists()
    load(settings(tmp_path, "auto"))
    assert len(published.requests) == 1


def test_an_archive_that_lies_there_is_unpacked_without_network_and_kept(published: FileServer, tmp_path: Path) -> None:
    archive = tmp_path / "cifar10" / cifar10.ARCHIVE.name
    archive.parent.mkdir()
    archive.write_bytes(published.files["/archive"])
    assert len(load(settings(tmp_path, "local")).test) == COUNT
    assert archive.exists()
    assert not published.requests


def test_a_cut_archive_that_lies_there_is_named(published: FileServer, tmp_path: Path) -> None:
    archive = tmp_path / "cifar10" / cifar10.ARCHIVE.name
    archive.parent.mkdir()
    archive.write_bytes(published.files["/archive"][:-100])
    with pytest.raises(DataError, match=f"{archive}: damaged"):
        load(settings(tmp_path, "auto"))


def test_local_says_what_is_missing_and_what_works_instead(published: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(settings(tmp_path, "local"))
    for part in ("data_batch_1", str(tmp_path / "cifar10"), "dataset=digits", "dataset=cifar10 dataset.source=synth"):
        assert part in str(caught.value)


def test_a_damaged_batch_is_named_and_replaced_by_fetch(python_layout: Path) -> None:
    path = python_layout / "cifar10" / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{path}: damaged, its md5"):
        load(settings(python_layout))
    assert [check.path for check in verify(str(python_layout)) if check.status == "damaged"] == [path]
    fetch(str(python_layout))
    assert len(load(settings(python_layout)).train) == 5 * COUNT


def test_a_binary_batch_of_another_length_is_named(binary_layout: Path) -> None:
    path = binary_layout / "cifar10" / "cifar-10-batches-bin" / "data_batch_1.bin"
    path.write_bytes(path.read_bytes()[:3073])
    with pytest.raises(DataError, match=f"{path}: damaged, it has 1 images, expected {COUNT}"):
        load(settings(binary_layout))


def test_synthetic_images_are_labelled_named_and_read_by_the_same_loader(tmp_path: Path) -> None:
    dataset = load(settings(tmp_path, "synthetic", subset=Subset(test=100)))
    assert dataset.synthetic
    assert dataset.name == "cifar10"
    assert dataset.train.x.shape == (5000, 3, 32, 32)
    assert dataset.classes[0] == "striped disc"
    assert set(np.bincount(dataset.train.y) > 400) == {True}
    names = {path.name for path in (tmp_path / "synthetic/cifar10/cifar-10-batches-bin").iterdir()}
    assert names == {*cifar10.BINARY_FILES, "batches.meta.txt"}
    assert load(settings(tmp_path, "synthetic", subset=Subset(test=100))).fingerprint == dataset.fingerprint
