from __future__ import annotations

import gzip
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.datasets.http_server import FileServer
from tinyprop.datasets import mnist
from tinyprop.datasets.mnist import MnistSettings, fetch, load, present, verify
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, InvalidSettings, RequestError


@pytest.fixture
def published(synthetic_root: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """A web server that publishes the generated files as if they were the official ones."""
    files = {}
    for key, file in mnist.FILES.items():
        content = (synthetic_root / "synthetic" / "mnist" / file.name).read_bytes()
        server.files[f"/{file.name}"] = content
        digest = hashlib.md5(content).hexdigest()
        files[key] = replace(file, urls=(server.url(f"/{file.name}"),), checksum=f"md5:{digest}", size=len(content))
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mnist, "SIZES", {"train": 6000, "test": 1000})
    return server


@pytest.fixture
def local(published: FileServer, synthetic_root: Path, tmp_path: Path) -> Path:
    """A root where the published files already lie."""
    shutil.copytree(synthetic_root / "synthetic" / "mnist", tmp_path / "mnist")
    return tmp_path


def settings(root: Path, source: str = "local", **others: object) -> MnistSettings:
    return MnistSettings(root=str(root), source=source, **others)  # type: ignore[arg-type]


def test_images_come_in_float32_from_0_to_1_in_the_order_of_the_file(local: Path) -> None:
    dataset = load(settings(local))
    assert dataset.train.x.shape == (6000, 1, 28, 28)
    assert dataset.test.x.shape == (1000, 1, 28, 28)
    assert dataset.train.x.dtype == np.float32
    assert dataset.train.y.dtype == np.int64
    pixels = gzip.decompress((local / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    np.testing.assert_array_equal(np.round(dataset.test.x * 255).astype(np.uint8).tobytes(), pixels)
    labels = gzip.decompress((local / "mnist" / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    assert bytes(dataset.test.y.tolist()) == labels
    assert dataset.classes == tuple("0123456789")
    assert not dataset.synthetic


def test_auto_downloads_what_is_missing_and_then_needs_no_server(published: FileServer, tmp_path: Path) -> None:
    first = load(settings(tmp_path, "auto"))
    asked = len(published.requests)
    assert asked == 4
    assert load(settings(tmp_path, "auto")).fingerprint == first.fingerprint
    assert len(published.requests) == asked


def test_local_never_downloads_and_says_what_is_missing_and_what_works_instead(
    published: FileServer, local: Path
) -> None:
    (local / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError) as caught:
        load(settings(local))
    for part in ("t10k-labels-idx1-ubyte.gz", str(local / "mnist"), "https://", "dataset=digits", "source=synthetic"):
        assert part in str(caught.value)
    assert "train-images" not in str(caught.value)
    assert not published.requests


def test_without_network_and_files_the_error_names_all_four_files(tmp_path: Path, published: FileServer) -> None:
    published.files.clear()
    with pytest.raises(DataError) as caught:
        load(settings(tmp_path, "auto"))
    for file in mnist.FILES.values():
        assert file.name in str(caught.value)


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:50] + b"x" + content[51:]])
def test_a_damaged_file_is_named_by_load_and_verify_and_replaced_by_fetch(damage, local: Path) -> None:
    path = local / "mnist" / "train-labels-idx1-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    for source in ("local", "auto"):
        with pytest.raises(DataError, match=f"{path}: damaged, its md5 is .*tinyprop data fetch mnist"):
            load(settings(local, source))
    assert {check.path.name: check.status for check in verify(str(local)) if check.status != "ok"} == {
        path.name: "damaged"
    }
    fetch(str(local))
    assert all(check.status == "ok" for check in verify(str(local)))
    load(settings(local))


def test_source_download_replaces_damaged_files(local: Path, published: FileServer) -> None:
    (local / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    load(settings(local, "download"))
    assert [path for path, _ in published.requests] == ["/train-labels-idx1-ubyte.gz"]


def test_unpacked_files_are_read_as_well_and_give_the_same_dataset(local: Path) -> None:
    packed = load(settings(local))
    for path in (local / "mnist").glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load(settings(local)).fingerprint == packed.fingerprint
    assert [check.status for check in verify(str(local))] == ["ok"] * 4
    assert present(str(local)) == (4, 4)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("t10k-images-idx3-ubyte", lambda content: content[:-1], "announces 784000 bytes"),
        ("t10k-labels-idx1-ubyte", lambda content: content[:-1] + b"\x0a", "label 10 is out of range"),
        ("train-images-idx3-ubyte", lambda content: b"\0\0\x08\x03\0\0\0\x01" + content[8:], "1×28×28"),
    ],
)
def test_bad_unpacked_files_are_named(name: str, damage, message: str, local: Path) -> None:
    packed = local / "mnist" / f"{name}.gz"
    packed.with_suffix("").write_bytes(damage(gzip.decompress(packed.read_bytes())))
    packed.unlink()
    with pytest.raises(DataError, match=message) as caught:
        load(settings(local))
    assert name in str(caught.value)
    assert [check.path.name for check in verify(str(local)) if check.status == "damaged"] == [name]


def test_a_subset_is_the_beginning_of_each_split(local: Path) -> None:
    whole, part = load(settings(local)), load(settings(local, subset=Subset(train=60, test=7)))
    np.testing.assert_array_equal(part.train.x, whole.train.x[:60])
    np.testing.assert_array_equal(part.test.y, whole.test.y[:7])
    assert part.fingerprint != whole.fingerprint


def test_a_subset_larger_than_the_dataset_is_refused(local: Path) -> None:
    with pytest.raises(RequestError, match=r"subset.test=1001, but the test split has 1000"):
        load(settings(local, subset=Subset(test=1001)))


def test_rotation_turns_every_image_and_is_noted(local: Path) -> None:
    upright = load(settings(local, subset=Subset(5, 5)))
    turned = load(settings(local, subset=Subset(5, 5), rotate=90.0))
    np.testing.assert_allclose(turned.test.x, np.rot90(upright.test.x, axes=(-2, -1)), atol=1e-6)
    assert turned.notes == ("Every image is rotated by 90 degrees.",)
    assert turned.fingerprint != upright.fingerprint


def test_synthetic_data_is_labelled_and_repeatable(synthetic_root: Path, tmp_path: Path) -> None:
    again = load(settings(tmp_path, "synthetic"))
    first = load(settings(synthetic_root, "synthetic"))
    assert again.fingerprint == first.fingerprint
    assert first.synthetic
    assert first.name == "mnist"
    assert "generated" in first.notes[0]
    assert len(first.train) == 6000
    assert len(first.test) == 1000


def test_synthetic_digits_are_learnt_but_not_perfectly_by_a_linear_classifier(synthetic_root: Path) -> None:
    dataset = load(settings(synthetic_root, "synthetic", subset=Subset(train=2000)))
    classifier = LogisticRegression(max_iter=30, tol=0.01).fit(dataset.train.x.reshape(2000, -1), dataset.train.y)
    accuracy = classifier.score(dataset.test.x.reshape(1000, -1), dataset.test.y)
    assert 0.6 < accuracy < 0.95


def test_a_changed_generated_file_is_an_error_that_says_to_delete_it(synthetic_root: Path, tmp_path: Path) -> None:
    shutil.copytree(synthetic_root / "synthetic", tmp_path / "synthetic")
    path = tmp_path / "synthetic" / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=f"{path}: generated file was changed or cut.*delete {path.parent}"):
        load(settings(tmp_path, "synthetic"))


def test_all_bad_settings_are_named_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        MnistSettings(source="web", rotate=float("nan"))  # type: ignore[arg-type]
    assert [field for field, _ in caught.value.problems] == ["source", "rotate"]
