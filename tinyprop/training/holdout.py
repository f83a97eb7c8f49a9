"""Validation data cut from the training data."""

from __future__ import annotations

import numpy as np

from tinyprop.datasets.contract import Dataset, Split
from tinyprop.datasets.stratify import stratified_split
from tinyprop.errors import RequestError

_SEED = 0
"""The same samples are held out whatever a run's seed is, so that runs of different seeds are judged alike."""


def hold_out(dataset: Dataset, fraction: float) -> tuple[Split, Split | None]:
    """Training and validation data: every class keeps its share, and a recording is never torn apart.

    Raises:
        RequestError: there is too little data to split.
    """
    train = dataset.train
    if fraction == 0:
        return train, None
    try:
        if train.group is None:
            kept, held = stratified_split(train.y, fraction, _SEED)
        else:
            groups = np.unique(train.group)
            labels = np.zeros(len(groups), dtype=np.int64)
            labels[np.searchsorted(groups, train.group)] = train.y
            _, held_groups = stratified_split(labels, fraction, _SEED)
            is_held = np.isin(train.group, groups[held_groups])
            kept, held = np.flatnonzero(~is_held), np.flatnonzero(is_held)
    except ValueError as problem:
        raise RequestError(
            f"trainer.validation_fraction={fraction}: {dataset.name} has too little training data to hold any out "
            f"({problem}); set trainer.validation_fraction=0"
        ) from None
    return _part(train, kept), _part(train, held)


def _part(split: Split, index: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Split:
    group = None if split.group is None else split.group[index]
    return Split(split.x[index], split.y[index], group, split.domain)
