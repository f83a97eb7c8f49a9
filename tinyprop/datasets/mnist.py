"""MNIST: 60000 and 10000 handwritten digits of 28×28 pixels, as the four IDX files in ``<root>/mnist``.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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

    from tinyprop.datasets.contract import Dataset
    from tinyprop.datasets.images import LabelledImages

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://yann.lecun.com/exdb/mnist/",
)


def _remote(name: str, md5: str, size: int) -> RemoteFile:
    return RemoteFile(name, tuple(mirror + name for mirror in MIRRORS), f"md5:{md5}", size)


FILES = {
    ("train", "images"): _remote("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9912422),
    ("train", "labels"): _remote("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28881),
    ("test", "images"): _remote("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1648877),
    ("test", "labels"): _remote("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4542),
}
SIZES = {"train": 60000, "test": 10000}


@dataclass(frozen=True)
class MnistSettings:
    """Settings of the ``mnist`` dataset.

    Attributes:
        root: folder that holds ``mnist/``.
        source: see `remote.Source`.
        subset: the first samples of each split only.
        rotate: degrees counter-clockwise by which every image is turned.
    """

    name: Literal["mnist"] = "mnist"
    root: str = "data"
    source: Source = "auto"
    subset: Subset = field(default_factory=Subset)
    rotate: float = 0.0

    def __post_init__(self) -> None:
        sources = get_args(Source)
        require(
            (self.source in sources, "source", f"{self.source!r}; choose one of {', '.join(sources)}"),
            (math.isfinite(self.rotate), "rotate", f"{self.rotate} degrees; give a finite number, 0 for upright"),
        )


def load(settings: MnistSettings, progress: Progress = SILENT) -> Dataset:
    """Load MNIST, shape (1, 28, 28), in [0, 1].

    Raises:
        DataError: a file is missing and cannot be downloaded, or is damaged.
        RequestError: the subset is larger than the dataset.
    """
    from tinyprop.datasets.images import image_dataset

    directory = Path(settings.root) / "mnist"
    if settings.source == "synthetic":
        from tinyprop.datasets.synthetic_mnist import generate

        directory = generate(Path(settings.root), progress)
    elif settings.source == "download":
        fetch(settings.root, progress)
    else:
        absent = [file for file in FILES.values() if not _on_disk(directory, file).exists()]
        if absent and settings.source == "local":
            raise missing_files("mnist", directory, [file.name for file in absent], MIRRORS)
        _download(absent, directory, progress)
    official = settings.source != "synthetic"
    return image_dataset(
        "mnist",
        *(_split(directory, split, settings.subset, official) for split in ("train", "test")),
        classes=tuple("0123456789"),
        rotate=settings.rotate,
        synthetic=not official,
    )


def fetch(root: str, progress: Progress = SILENT) -> None:
    """Download what is missing or damaged in ``<root>/mnist``.

    Raises:
        DataError: no mirror delivered a file, or it cannot be written.
    """
    wanted = [file for file, check in zip(FILES.values(), verify(root), strict=True) if check.status != "ok"]
    _download(wanted, Path(root) / "mnist", progress)


def present(root: str) -> tuple[int, int]:
    """How many of the files are there, unread, and how many there should be."""
    return sum(_on_disk(Path(root) / "mnist", file).exists() for file in FILES.values()), len(FILES)


def verify(root: str) -> list[FileCheck]:
    """Check each of the four files: gzipped ones by checksum, unpacked ones by header, sizes and labels."""
    directory = Path(root) / "mnist"
    return [_check(directory, split, kind) for split, kind in FILES]


def _download(files: Sequence[RemoteFile], directory: Path, progress: Progress) -> None:
    from tinyprop.datasets.download import download

    for place, file in enumerate(files, 1):
        download("mnist", file, directory, progress, also_missing=[later.name for later in files[place:]])


def _on_disk(directory: Path, file: RemoteFile) -> Path:
    """The file as published, or, where only that is there, unpacked."""
    packed = directory / file.name
    unpacked = packed.with_suffix("")
    return unpacked if unpacked.exists() and not packed.exists() else packed


def _check(directory: Path, split: str, kind: str) -> FileCheck:
    file = FILES[split, kind]
    path = _on_disk(directory, file)
    if path.name == file.name:
        return check_file(path, file.checksum)
    try:
        _read(path, split, kind, official=True)
    except DataError as error:
        return FileCheck(path, "damaged", str(error).removeprefix(f"{path}: "))
    return FileCheck(path, "ok", "unpacked; header, sizes and labels are right")


def _split(directory: Path, split: str, subset: Subset, official: bool) -> LabelledImages:
    from tinyprop.datasets.images import scaled

    paths = {kind: _on_disk(directory, FILES[split, kind]) for kind in ("images", "labels")}
    if official:
        for kind in paths:
            check = _check(directory, split, kind)
            if check.status != "ok":
                raise DataError(
                    f"{check.path}: {check.status}, {check.detail}; "
                    "delete it or run `tinyprop data fetch mnist`, which replaces it"
                )
    images, labels = (_read(path, split, kind, official) for kind, path in paths.items())
    if len(images) != len(labels):
        raise DataError(f"{paths['labels']}: {len(labels)} labels for {len(images)} images in {paths['images'].name}")
    count = subset.count(split, len(images))
    return scaled(images[:count, None]), labels[:count].astype("int64")


def _read(path: Path, split: str, kind: str, official: bool) -> NDArray[np.uint8]:
    from tinyprop.datasets.idx import read_idx

    count = SIZES[split] if official else None
    content = read_idx(path, (count, 28, 28) if kind == "images" else (count,))
    if kind == "labels" and content.max(initial=0) > 9:
        raise DataError(f"{path}: label {content.max()} is out of range 0 to 9; the file is damaged, replace it")
    return content
