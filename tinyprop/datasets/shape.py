"""What samples look like to a network: known from the settings alone, without files, where a dataset fixes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyprop.datasets.cifar10 import Cifar10Settings
from tinyprop.datasets.dcase import DcaseSettings
from tinyprop.datasets.dcase_ae import DcaseAeSettings
from tinyprop.datasets.digits import DigitsSettings
from tinyprop.datasets.mnist import MnistSettings

if TYPE_CHECKING:
    from tinyprop.datasets import DatasetSettings
    from tinyprop.datasets.contract import Dataset, Task

_CLIP_RATE = 16_000
_CLIP_SECONDS = {"ToyCar": 11}
"""Of DCASE2020 Task 2, all other machines 10 (docs/datasets.md)."""


@dataclass(frozen=True)
class SampleShape:
    """What decides the first and the last layer of a network.

    Attributes:
        input_shape: (features,) or (channels, height, width).
        outputs: numbers that the network puts out.
    """

    input_shape: tuple[int, ...]
    outputs: int
    task: Task


def known_shape(settings: DatasetSettings) -> SampleShape | None:
    """What the settings say; None where only the files do."""
    match settings:
        case DigitsSettings():
            return SampleShape((1, 8, 8), 10, "classification")
        case MnistSettings():
            return SampleShape((1, 28, 28), 10, "classification")
        case Cifar10Settings():
            return SampleShape((3, 32, 32), 10, "classification")
        case DcaseAeSettings():
            numbers = settings.frames * settings.features.mels
            return SampleShape((numbers,), numbers, "reconstruction")
        case DcaseSettings(feature_rows=None):
            frame, hop = settings.features.frame, settings.features.hop
            samples = _CLIP_RATE * _CLIP_SECONDS.get(settings.machine, 10)
            return SampleShape(((1 + (samples - frame) // hop) * (frame // 2 + 1),), 1, "binary")
        case _:
            return None


def shape_of(dataset: Dataset) -> SampleShape:
    """What the samples of a loaded dataset are."""
    from tinyprop.training.metrics import outputs_of

    return SampleShape(dataset.input_shape, outputs_of(dataset), dataset.task)
