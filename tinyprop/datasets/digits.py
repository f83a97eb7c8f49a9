"""Scikit-learn's handwritten digits: 1797 real 8×8 images that come with the library, so nothing is downloaded.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998
(scikit-learn carries its test part).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tinyprop.datasets.subset import Subset
from tinyprop.errors import require
from tinyprop.progress import SILENT, Progress

if TYPE_CHECKING:
    from tinyprop.datasets.contract import Dataset

_TEST_FRACTION = 0.2
_SPLIT_SEED = 20230801  # part of the dataset's definition: another value is another dataset


@dataclass(frozen=True)
class DigitsSettings:
    """Settings of the ``digits`` dataset.

    Attributes:
        subset: the first samples of each split only.
        rotate: degrees counter-clockwise by which every image is turned.
    """

    name: Literal["digits"] = "digits"
    subset: Subset = field(default_factory=Subset)
    rotate: float = 0.0

    def __post_init__(self) -> None:
        require((math.isfinite(self.rotate), "rotate", f"{self.rotate} degrees; give a finite number, 0 for upright"))


def load(settings: DigitsSettings, progress: Progress = SILENT) -> Dataset:
    """Load the digits, shape (1, 8, 8), in [0, 1], split 80/20 with every class in proportion, always the same way."""
    import numpy as np
    from sklearn.datasets import load_digits

    from tinyprop.datasets.images import image_dataset
    from tinyprop.datasets.stratify import stratified_split

    bunch = load_digits()
    images = bunch.images[:, np.newaxis].astype(np.float32) / 16
    labels = bunch.target.astype(np.int64)
    splits = []
    for split, indices in zip(("train", "test"), stratified_split(labels, _TEST_FRACTION, _SPLIT_SEED), strict=True):
        taken = indices[: settings.subset.count(split, len(indices))]
        splits.append((images[taken], labels[taken]))
    return image_dataset("digits", *splits, classes=tuple("0123456789"), rotate=settings.rotate)
