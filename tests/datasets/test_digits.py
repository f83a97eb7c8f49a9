from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tinyprop.datasets.digits import DigitsSettings, load
from tinyprop.datasets.subset import Subset
from tinyprop.errors import InvalidSettings


def test_every_digit_of_scikit_learn_is_in_exactly_one_split() -> None:
    dataset = load(DigitsSettings())
    together = np.concatenate([dataset.train.x, dataset.test.x]).reshape(-1, 64) * 16
    expected = load_digits().data
    order, expected_order = np.lexsort(together.T), np.lexsort(expected.T)
    np.testing.assert_array_equal(together[order], expected[expected_order])
    labels = np.concatenate([dataset.train.y, dataset.test.y])
    np.testing.assert_array_equal(labels[order], load_digits().target[expected_order])


def test_the_split_is_fixed_and_keeps_the_share_of_every_class() -> None:
    first, again = load(DigitsSettings()), load(DigitsSettings())
    assert first.fingerprint == again.fingerprint
    assert (len(first.train), len(first.test)) == (1438, 359)
    total = np.bincount(load_digits().target)
    np.testing.assert_allclose(np.bincount(first.test.y), 0.2 * total, atol=0.5)


def test_images_are_float32_from_0_to_1_with_one_channel() -> None:
    dataset = load(DigitsSettings())
    assert dataset.input_shape == (1, 8, 8)
    assert dataset.train.x.dtype == np.float32
    assert (dataset.train.x.min(), dataset.train.x.max()) == (0, 1)
    assert not dataset.synthetic


def test_subset_and_rotation_apply() -> None:
    upright, turned = load(DigitsSettings()), load(DigitsSettings(subset=Subset(50, 20), rotate=90))
    assert (len(turned.train), len(turned.test)) == (50, 20)
    np.testing.assert_allclose(turned.train.x, np.rot90(upright.train.x[:50], axes=(-2, -1)), atol=1e-6)


@pytest.mark.parametrize("rotate", [float("inf"), float("nan")])
def test_a_rotation_that_is_not_finite_is_refused(rotate: float) -> None:
    with pytest.raises(InvalidSettings, match="rotate"):
        DigitsSettings(rotate=rotate)
