from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyprop.datasets.arrays import ArraysSettings, load
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, InvalidSettings

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3


def saved(path: Path, **arrays: object) -> ArraysSettings:
    np.savez(path / "mine.npz", **arrays)  # type: ignore[arg-type]
    return ArraysSettings(path=str(path / "mine.npz"))


def test_given_test_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    dataset = load(saved(tmp_path, x=X, y=Y, x_test=X[:5] + 1, y_test=Y[:5]))
    np.testing.assert_array_equal(dataset.train.x, X.astype(np.float32))
    np.testing.assert_array_equal(dataset.test.x, (X[:5] + 1).astype(np.float32))
    assert dataset.train.y.dtype == np.int64
    assert (dataset.task, dataset.classes, dataset.name) == ("classification", ("0", "1", "2"), "arrays")


def test_without_them_a_fixed_part_of_every_class_is_set_aside(tmp_path: Path) -> None:
    settings = saved(tmp_path, x=X, y=Y)
    first, again = load(settings), load(settings)
    assert np.bincount(first.test.y).tolist() == [2, 2, 2]
    assert np.bincount(first.train.y).tolist() == [8, 8, 8]
    together = np.concatenate([first.train.x, first.test.x])
    np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(X.astype(np.float32), axis=0))
    assert first.fingerprint == again.fingerprint
    np.testing.assert_array_equal(first.test.x, again.test.x)


def test_the_fraction_and_the_subset_count(tmp_path: Path) -> None:
    path = saved(tmp_path, x=X, y=Y).path
    dataset = load(ArraysSettings(path=path, test_fraction=0.5, subset=Subset(train=4)))
    assert (len(dataset.train), len(dataset.test)) == (4, 15)


def test_two_classes_may_be_a_binary_task(tmp_path: Path) -> None:
    path = saved(tmp_path, x=X, y=Y > 0).path
    dataset = load(ArraysSettings(path=path, task="binary"))
    assert (dataset.task, dataset.classes) == ("binary", ("0", "1"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float64, bool])
def test_any_real_type_and_any_shape_of_sample_is_read(dtype: type, tmp_path: Path) -> None:
    x = np.random.default_rng(1).integers(0, 2, (30, 2, 5, 5)).astype(dtype)
    dataset = load(saved(tmp_path, x=x, y=Y))
    assert dataset.input_shape == (2, 5, 5)
    assert dataset.train.x.dtype == np.float32


NAN = X.copy()
NAN[7, 2] = np.nan


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "array y missing; the file has: x"),
        ({"a": X}, "array x and y missing; the file has: a"),
        ({"x": X, "y": Y, "x_test": X}, "array y_test missing"),
        ({"x": X, "y": Y[:-1]}, "array y: 29 labels for 30 samples in x"),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y[:3]}, "array y_test: 3 labels for 30 samples in x_test"),
        ({"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y}, r"array x_test: samples of shape \(2,\), in x .*\(4,\)"),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y + 1}, "array y_test: label 3 does not occur in y"),
        ({"x": NAN, "y": Y}, "array x: sample 7 has values that are NaN"),
        ({"x": X * 1e40, "y": Y}, "beyond float32"),
        ({"x": X.astype(str), "y": Y}, "array x: values of type <U"),
        ({"x": X * 1j, "y": Y}, "array x: values of type complex128"),
        ({"x": X[:, 0], "y": Y}, r"array x: shape \(30,\)"),
        ({"x": X[:0], "y": Y[:0]}, r"array x: shape \(0, 4\)"),
        ({"x": X, "y": Y.astype(float)}, "array y: labels of type float64"),
        ({"x": X, "y": Y[:, None]}, r"array y: shape \(30, 1\)"),
        ({"x": X, "y": Y - 1}, "array y: label -1; labels start at 0"),
        ({"x": X, "y": Y * 2}, "array y: labels up to 4, but none is 1"),
        ({"x": X, "y": Y * 0}, "array y: 1 class"),
        ({"x": X, "y": np.r_[Y[:-1], 3]}, "array y: class 3 has a single sample"),
        ({"x": X, "y": np.array([object()] * 30)}, "cannot be read as an .npz file of plain arrays"),
    ],
)
def test_bad_arrays_are_named_with_their_file(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    settings = saved(tmp_path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load(settings)
    assert str(caught.value).startswith(settings.path)


def test_three_classes_are_no_binary_task(tmp_path: Path) -> None:
    path = saved(tmp_path, x=X, y=Y).path
    with pytest.raises(DataError, match=r"3 class\(es\); dataset.task=binary needs exactly 2"):
        load(ArraysSettings(path=path, task="binary"))


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_is_no_npz_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)):
        load(ArraysSettings(path=str(path)))


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    settings = saved(tmp_path, x=X, y=Y)
    path = Path(settings.path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=str(path)):
        load(settings)


def test_a_single_array_is_not_enough(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", X)
    with pytest.raises(DataError, match="single array"):
        load(ArraysSettings(path=str(tmp_path / "mine.npy")))


def test_all_bad_settings_are_named_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        ArraysSettings(task="regression", test_fraction=1.0)  # type: ignore[arg-type]
    assert [field for field, _ in caught.value.problems] == ["path", "task", "test_fraction"]
