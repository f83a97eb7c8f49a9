"""Shapes that are known without files, against those of the loaded data and those that are published."""

import pytest

from tinyprop import datasets
from tinyprop.datasets import (
    ArraysSettings,
    Cifar10Settings,
    DcaseAeSettings,
    DcaseSettings,
    DigitsSettings,
    FolderSettings,
    MnistSettings,
)
from tinyprop.datasets.shape import known_shape, shape_of


def test_digits_are_what_loading_them_gives():
    settings = DigitsSettings()
    assert known_shape(settings) == shape_of(datasets.load(settings))


@pytest.mark.parametrize(("settings", "shape"), [(MnistSettings(), (1, 28, 28)), (Cifar10Settings(), (3, 32, 32))])
def test_images_have_the_published_sizes(settings, shape):
    known = known_shape(settings)
    assert (known.input_shape, known.outputs, known.task) == (shape, 10, "classification")


@pytest.mark.parametrize(
    ("settings", "numbers", "outputs"),
    [(DcaseSettings(), 2607, 1), (DcaseSettings(machine="ToyCar"), 86 * 33, 1), (DcaseAeSettings(), 640, 640)],
)
def test_sounds_have_the_published_sizes(settings, numbers, outputs):
    """The authors' 79 frames of 33 bins and the baseline's 5 × 128; ToyCar's clips last 11 s."""
    known = known_shape(settings)
    assert (known.input_shape, known.outputs) == ((numbers,), outputs)


@pytest.mark.parametrize(
    "settings", [ArraysSettings(path="x.npz"), FolderSettings(path="clips"), DcaseSettings(feature_rows="x.npz")]
)
def test_what_only_files_know_is_not_known(settings):
    assert known_shape(settings) is None
