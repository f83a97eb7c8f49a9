"""Datasets: files and downloads in, arrays out (see `contract.Dataset`).

Each module has a frozen settings class and ``load(settings, progress) -> Dataset``; `load` here picks the module by the
settings' ``name``. Importing this package loads no numerical library: it is needed to check a configuration.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tinyprop.datasets.arrays import ArraysSettings
from tinyprop.datasets.cifar10 import Cifar10Settings
from tinyprop.datasets.dcase import DcaseSettings
from tinyprop.datasets.dcase_ae import DcaseAeSettings
from tinyprop.datasets.digits import DigitsSettings
from tinyprop.datasets.folder import FolderSettings
from tinyprop.datasets.mnist import MnistSettings
from tinyprop.progress import SILENT, Progress

if TYPE_CHECKING:
    from tinyprop.datasets.contract import Dataset

DatasetSettings = (
    DigitsSettings | MnistSettings | Cifar10Settings | ArraysSettings | DcaseSettings | DcaseAeSettings | FolderSettings
)


def load(settings: DatasetSettings, progress: Progress = SILENT) -> Dataset:
    """Load the dataset that ``settings`` describes.

    Raises:
        DataError: files are missing or damaged; the message names them and what to do.
        RequestError: more samples are asked for than there are.
    """
    global _remembered
    if _remembered is not None and _remembered[0] == settings:
        return _remembered[1]
    dataset: Dataset = importlib.import_module(f"{__name__}.{settings.name}").load(settings, progress)
    if _remembering:
        _remembered = settings, dataset
    return dataset


@contextmanager
def remembering() -> Iterator[None]:
    """While the block runs, a dataset that is asked for twice in a row is read once, whatever becomes of its files."""
    global _remembered, _remembering
    _remembering = True
    try:
        yield
    finally:
        _remembering, _remembered = False, None


_remembering = False
_remembered: tuple[DatasetSettings, Dataset] | None = None


__all__ = [
    "ArraysSettings",
    "Cifar10Settings",
    "DatasetSettings",
    "DcaseAeSettings",
    "DcaseSettings",
    "DigitsSettings",
    "FolderSettings",
    "MnistSettings",
    "load",
    "remembering",
]
