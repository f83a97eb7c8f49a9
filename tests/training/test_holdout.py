"""Validation data: stratified, recordings whole, the same whatever the seed."""

import numpy as np
import pytest

from tinyprop.datasets.contract import Dataset, Split
from tinyprop.errors import RequestError
from tinyprop.training.holdout import hold_out


def dataset_of(split: Split) -> Dataset:
    return Dataset("mine", "classification", split, split, ("a", "b", "c"))


def numbered(y, group=None) -> Split:
    """Samples that carry their own index, to be recognised."""
    x = np.arange(len(y), dtype=np.float32)[:, np.newaxis]
    return Split(x, np.asarray(y), group, None if group is None else tuple("mn"[g % 2] for g in range(group.max() + 1)))


def test_every_class_keeps_its_share():
    split = numbered([0] * 60 + [1] * 30 + [2] * 10)
    train, held = hold_out(dataset_of(split), 0.2)
    assert np.bincount(held.y).tolist() == [12, 6, 2]
    assert np.bincount(train.y).tolist() == [48, 24, 8]
    assert sorted([*train.x[:, 0], *held.x[:, 0]]) == list(range(100))
    assert all(split.y[int(i)] == y for i, y in zip(held.x[:, 0], held.y, strict=True))


def test_a_recording_is_never_torn_apart():
    group = np.repeat(np.arange(30), 7)
    split = numbered((group % 3), group)
    train, held = hold_out(dataset_of(split), 0.3)
    assert set(train.group) & set(held.group) == set()
    assert len(set(held.group)) == 9
    assert np.bincount(held.y).tolist() == [21, 21, 21]
    assert all(np.sum(held.group == g) == 7 for g in set(held.group))
    assert held.domain == split.domain, "group numbers go on meaning what they did"


def test_it_is_the_same_samples_whatever_was_drawn_before():
    split = numbered([0, 1] * 50)
    np.random.seed(1)
    _, one = hold_out(dataset_of(split), 0.1)
    np.random.seed(2)
    _, other = hold_out(dataset_of(split), 0.1)
    assert np.array_equal(one.x, other.x)


def test_nothing_is_held_out_of_a_zero_fraction():
    split = numbered([0, 1, 2])
    train, held = hold_out(dataset_of(split), 0)
    assert train is split
    assert held is None


def test_too_little_data_names_the_setting():
    with pytest.raises(RequestError, match=r"trainer.validation_fraction=0.1: mine has too little training data"):
        hold_out(dataset_of(numbered([0, 1, 1])), 0.1)
