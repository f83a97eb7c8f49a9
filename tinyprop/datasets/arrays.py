"""Anyone's own samples: an ``.npz`` file with arrays x and y and, if they are split already, x_test and y_test."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, require
from tinyprop.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyprop.datasets.contract import Dataset, Split

_SPLIT_SEED = 20230801  # fixed: runs with different seeds must be judged on the same samples


@dataclass(frozen=True)
class ArraysSettings:
    """Settings of the ``arrays`` dataset.

    Attributes:
        path: the ``.npz`` file.
        task: ``binary`` trains one output on labels 0 and 1, ``classification`` one output a class.
        test_fraction: share of each class that is set aside for testing if the file has no x_test and y_test.
        subset: the first samples of each split only.
    """

    name: Literal["arrays"] = "arrays"
    path: str = ""
    task: Literal["classification", "binary"] = "classification"
    test_fraction: float = 0.2
    subset: Subset = field(default_factory=Subset)

    def __post_init__(self) -> None:
        tasks = ("classification", "binary")
        require(
            (self.path != "", "path", "no file given; name an .npz file with arrays x and y: dataset.path=samples.npz"),
            (self.task in tasks, "task", f"{self.task!r}; choose one of {', '.join(tasks)}"),
            (
                0 < self.test_fraction < 1,
                "test_fraction",
                f"{self.test_fraction}; give a fraction between 0 and 1, such as 0.2",
            ),
        )


def load(settings: ArraysSettings, progress: Progress = SILENT) -> Dataset:
    """Load the arrays: x as it is, in float32, shape (samples, ...); y as labels 0, 1, 2, …

    Raises:
        DataError: the file or one of its arrays is missing or not what it must be; the message names both.
        RequestError: the subset is larger than the dataset.
    """
    from tinyprop.datasets.contract import Dataset
    from tinyprop.datasets.fingerprint import fingerprint

    path = Path(settings.path)
    arrays = _read(path)
    x, y = _inputs(path, "x", arrays), _labels(path, "y", arrays)
    _require_pairs(path, "x", x, "y", y)
    classes = int(y.max()) + 1
    _require_classes(path, y, classes, settings.task)
    if "x_test" in arrays:
        x_test, y_test = _inputs(path, "x_test", arrays), _labels(path, "y_test", arrays)
        _require_pairs(path, "x_test", x_test, "y_test", y_test)
        if x_test.shape[1:] != x.shape[1:]:
            raise _bad(path, "x_test", f"samples of shape {x_test.shape[1:]}, in x they have {x.shape[1:]}")
        if y_test.max() >= classes:
            raise _bad(path, "y_test", f"label {y_test.max()} does not occur in y, which has 0 to {classes - 1}")
        note = "The test samples are the file's x_test."
    else:
        x, y, x_test, y_test = _parted(path, x, y, settings.test_fraction)
        note = f"The test samples are {settings.test_fraction:g} of each class of x, always the same ones."
    train = _first("train", x, y, settings.subset)
    test = _first("test", x_test, y_test, settings.subset)
    return Dataset(
        name="arrays",
        task=settings.task,
        train=train,
        test=test,
        classes=tuple(map(str, range(classes))),
        fingerprint=fingerprint(settings.task, train.x, train.y, test.x, test.y),
        notes=(note,),
    )


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    import numpy as np

    wanted = ("x", "y", "x_test", "y_test")
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: holds a single array; save x and y by np.savez(path, x=…, y=…)")
        with file:
            arrays = {name: file[name] for name in wanted if name in file}
            found = ", ".join(file.files) or "none"
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; dataset.path names an .npz file with arrays x and y") from error
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: cannot be read as an .npz file of plain arrays ({error}); save it by np.savez(path, x=…, y=…)"
        ) from error
    missing = [name for name in ("x", "y") if name not in arrays]
    if len({"x_test", "y_test"} & arrays.keys()) == 1:
        missing += [name for name in ("x_test", "y_test") if name not in arrays]
    if missing:
        raise DataError(f"{path}: array {' and '.join(missing)} missing; the file has: {found}")
    return arrays


def _inputs(path: Path, name: str, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    import numpy as np

    array = arrays[name]
    if array.dtype.kind not in "fiub":
        raise _bad(path, name, f"values of type {array.dtype}; give real numbers")
    if array.ndim < 2 or array.size == 0:
        raise _bad(path, name, f"shape {array.shape}; give (samples, features) or (samples, channels, height, width)")
    with np.errstate(over="ignore"):
        inputs = array.astype(np.float32)
    if not np.isfinite(inputs).all():
        sample = int(np.argmax(~np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1)))
        raise _bad(path, name, f"sample {sample} has values that are NaN, infinite or beyond float32")
    return inputs


def _labels(path: Path, name: str, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.int64]:
    array = arrays[name]
    if array.dtype.kind not in "iub":
        raise _bad(path, name, f"labels of type {array.dtype}; give integers 0, 1, 2, …")
    if array.ndim != 1:
        raise _bad(path, name, f"shape {array.shape}; give one label a sample, shape (samples,)")
    labels = array.astype("int64")
    if len(labels) and labels.min() < 0:
        raise _bad(path, name, f"label {labels.min()}; labels start at 0")
    return labels


def _require_pairs(path: Path, x_name: str, x: NDArray[np.float32], y_name: str, y: NDArray[np.int64]) -> None:
    if len(x) != len(y):
        raise _bad(path, y_name, f"{len(y)} labels for {len(x)} samples in {x_name}")


def _require_classes(path: Path, y: NDArray[np.int64], classes: int, task: str) -> None:
    import numpy as np

    present = np.unique(y)
    if len(present) != classes:
        absent = next(label for label in range(classes) if label not in present)
        raise _bad(path, "y", f"labels up to {classes - 1}, but none is {absent}; number the classes 0, 1, 2, …")
    if classes < 2 or (task == "binary" and classes != 2):
        wanted = "exactly 2" if task == "binary" else "at least 2"
        raise _bad(path, "y", f"{classes} class(es); dataset.task={task} needs {wanted}")


def _parted(
    path: Path, x: NDArray[np.float32], y: NDArray[np.int64], test_fraction: float
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    from tinyprop.datasets.stratify import stratified_split

    try:
        train, test = stratified_split(y, test_fraction, _SPLIT_SEED)
    except ValueError as error:
        raise _bad(path, "y", f"{error}, which cannot be split; add samples, or x_test and y_test") from error
    return x[train], y[train], x[test], y[test]


def _first(split: str, x: NDArray[np.float32], y: NDArray[np.int64], subset: Subset) -> Split:
    from tinyprop.datasets.contract import Split

    count = subset.count(split, len(x))
    return Split(x[:count], y[:count])


def _bad(path: Path, array: str, problem: str) -> DataError:
    return DataError(f"{path}: array {array}: {problem}")
