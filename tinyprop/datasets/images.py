"""What the image datasets do alike once their pixels are in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyprop.datasets.contract import Dataset, Split
from tinyprop.datasets.fingerprint import fingerprint
from tinyprop.datasets.rotation import rotated

LabelledImages = tuple[NDArray[np.float32], NDArray[np.int64]]


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bring 8-bit pixels to [0, 1] in float32."""
    images = pixels.astype(np.float32)
    images /= 255
    return images


def image_dataset(
    name: str,
    train: LabelledImages,
    test: LabelledImages,
    *,
    classes: tuple[str, ...],
    rotate: float = 0.0,
    synthetic: bool = False,
) -> Dataset:
    """Build a classification dataset from images (samples, channels, height, width) and labels (samples,)."""
    splits = [Split(rotated(images, rotate), labels) for images, labels in (train, test)]
    notes = []
    if synthetic:
        notes.append(f"The images are generated, they are not {name}: no figure from them says anything about it.")
    if rotate:
        notes.append(f"Every image is rotated by {rotate:g} degrees.")
    return Dataset(
        name=name,
        task="classification",
        train=splits[0],
        test=splits[1],
        classes=classes,
        synthetic=synthetic,
        fingerprint=fingerprint(*(part for split in splits for part in (split.x, split.y))),
        notes=tuple(notes),
    )
