"""Splitting samples so that every class keeps its share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_split(
    labels: NDArray[np.int64], test_fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw ``test_fraction`` of each class (rounded, but at least one, and at least one left) for testing.

    Args:
        labels: shape (samples,).

    Returns:
        Indices of the training and of the test samples, each ascending.

    Raises:
        ValueError: a class has a single sample and so cannot be in both.
    """
    generator = np.random.default_rng(seed)
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise ValueError(f"class {label} has a single sample")
        count = min(max(round(len(members) * test_fraction), 1), len(members) - 1)
        test[generator.permutation(members)[:count]] = True
    return np.flatnonzero(~test), np.flatnonzero(test)
