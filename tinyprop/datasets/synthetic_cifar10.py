"""Generated colour images in CIFAR-10's binary files: five shapes in two textures, on a blurred background.

They are for trying things without a network. Position, size, tilt and light vary freely and the colour of a class
overlaps with its neighbours', so that a small convolutional network learns most of them; nothing measured on them says
anything about CIFAR-10.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyprop.datasets.cifar10_batches import write_binary_batch
from tinyprop.datasets.generated import generate_once
from tinyprop.progress import SILENT, Progress

RECIPE = "tinyprop shapes 1"
BATCH_SIZE = 1000
SHAPES = ("disc", "square", "triangle", "ring", "cross")
TEXTURES = ("striped", "checked")
SYNTHETIC_CLASSES = tuple(f"{texture} {shape}" for shape in SHAPES for texture in TEXTURES)

_FOLDER = "cifar-10-batches-bin"
_SIDE = 32

Map = NDArray[np.float32]


def generate(root: Path, progress: Progress = SILENT) -> Path:
    """Generate ``<root>/synthetic/cifar10`` if it is not there yet, and return it."""
    return generate_once(root / "synthetic" / "cifar10", RECIPE, partial(_write, progress=progress))


def draw_objects(labels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one image for each label, shape (labels, 3, 32, 32)."""
    count = len(labels)
    u, v = _object_coordinates(count, generator)
    edge = np.choose((labels // len(TEXTURES))[:, None, None], _shape_edges(u, v))
    coverage = np.clip(0.5 - 4 * edge, 0, 1)[:, None]
    waves = _uniform(generator, 5.5, 8.5, (count, 1, 1))
    phase = _uniform(generator, 0, 2 * np.pi, (count, 1, 1))
    stripes = np.sin(waves * u + phase)
    checks = stripes * np.sin(waves * v + phase)
    texture = np.where((labels % len(TEXTURES))[:, None, None] == 0, stripes, 2 * checks)
    hue = labels / len(SYNTHETIC_CLASSES) + generator.normal(0, 0.13, size=count)
    bright = _colour(hue, generator)
    dark = 0.35 * _colour(hue + generator.normal(0, 0.2, size=count), generator)
    share = np.clip(0.5 + texture, 0, 1)[:, None]
    image: Map = coverage * (share * bright + (1 - share) * dark) + (1 - coverage) * _background(count, generator)
    image *= _uniform(generator, 0.6, 1.1, (count, 1, 1, 1))
    image += np.float32(0.05) * generator.standard_normal(size=image.shape, dtype=np.float32)
    return np.asarray(np.round(255 * np.clip(image, 0, 1)), dtype=np.uint8)


def _write(directory: Path, progress: Progress) -> None:
    folder = directory / _FOLDER
    folder.mkdir()
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    with progress.task("generating synthetic cifar10", len(names) * BATCH_SIZE, "images") as advance:
        for stream, name in enumerate(names):
            generator = np.random.default_rng([32, stream])
            labels = generator.integers(0, len(SYNTHETIC_CLASSES), size=BATCH_SIZE, dtype=np.uint8)
            write_binary_batch(folder / name, draw_objects(labels, generator), labels)
            advance(BATCH_SIZE)
    (folder / "batches.meta.txt").write_text("\n".join(SYNTHETIC_CLASSES) + "\n")


def _object_coordinates(count: int, generator: np.random.Generator) -> tuple[Map, Map]:
    """Every pixel's place in the frame of its image's object, which spans about -1 to 1."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    centre = _uniform(generator, 12, 19, (2, count, 1, 1))
    radius = _uniform(generator, 7.5, 12.5, (count, 1, 1))
    tilt = _uniform(generator, -0.5, 0.5, (count, 1, 1))
    x, y = (columns - centre[0]) / radius, (rows - centre[1]) / radius
    return np.cos(tilt) * x + np.sin(tilt) * y, np.cos(tilt) * y - np.sin(tilt) * x


def _shape_edges(u: Map, v: Map) -> list[Map]:
    """For each of `SHAPES` a function that is negative inside, in units of the object's radius."""
    distance = np.hypot(u, v)
    arm, span = np.minimum(abs(u), abs(v)), np.maximum(abs(u), abs(v))
    return [
        distance - 0.95,
        span - 0.85,
        np.maximum(v - 0.7, 0.85 * abs(u) - 0.5 * v - 0.5),
        abs(distance - 0.72) - 0.28,
        np.maximum(arm - 0.33, span - 1.0),
    ]


def _colour(hue: NDArray[np.float64], generator: np.random.Generator) -> Map:
    """Colours around the circle of hues, shape (count, 3, 1, 1)."""
    offsets = np.array([0, 1 / 3, 2 / 3])
    saturation = generator.uniform(0.25, 0.5, size=(len(hue), 1))
    colours = 0.5 + saturation * np.cos(2 * np.pi * (hue[:, None] - offsets))
    return np.asarray(colours[:, :, None, None], dtype=np.float32)


def _background(count: int, generator: np.random.Generator) -> Map:
    """Smooth patches of random colour: 4×4 values interpolated to the image's size."""
    coarse = _uniform(generator, 0.1, 0.9, (count, 3, 4, 4))
    at = np.linspace(0, 3, _SIDE)
    weights = np.clip(1 - abs(at[:, None] - np.arange(4)), 0, 1).astype(np.float32)
    return np.asarray(weights @ coarse @ weights.T, dtype=np.float32)


def _uniform(generator: np.random.Generator, low: float, high: float, size: tuple[int, ...]) -> Map:
    return generator.uniform(low, high, size=size).astype(np.float32)
