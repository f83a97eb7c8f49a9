"""Generated digits in MNIST's files: strokes of a pen, each drawn with another hand, tilt, width and noise.

They are for trying things without a network. A small network learns them, not perfectly, because some hands make
digits that look like others; nothing measured on them says anything about MNIST.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyprop.datasets.generated import generate_once
from tinyprop.datasets.idx import write_idx
from tinyprop.progress import SILENT, Progress

RECIPE = "tinyprop strokes 1"
COUNTS = {"train": 6000, "t10k": 1000}

_SIDE = 28
_POINTS = 16  # of each digit's path; the pen goes straight between them
_CHUNK = 100  # images drawn at once: their distance maps stay in the processor's cache

Paths = NDArray[np.float64]

# Interpolates linearly between 6 values to one for each point.
_SMOOTHING = np.clip(1 - abs(np.linspace(0, 5, _POINTS)[:, None] - np.arange(6)), 0, 1)


def generate(root: Path, progress: Progress = SILENT) -> Path:
    """Generate ``<root>/synthetic/mnist`` if it is not there yet, and return it."""
    return generate_once(root / "synthetic" / "mnist", RECIPE, partial(_write, progress=progress))


def draw_digits(labels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one 28×28 image for each label, ink bright on dark as in MNIST."""
    strokes = _handwritten(labels, generator)
    width = generator.uniform(0.8, 1.7, size=(len(labels), 1, 1))
    ink = np.clip(width + 0.5 - _distance_to_strokes(strokes), 0, 1)
    ink *= generator.uniform(0.75, 1.0, size=(len(labels), 1, 1))
    noise = generator.normal(0, 0.06, size=ink.shape)
    return np.round(255 * np.clip(ink + noise * (ink + 0.3), 0, 1)).astype(np.uint8)


def _write(directory: Path, progress: Progress) -> None:
    with progress.task("generating synthetic mnist", sum(COUNTS.values()), "images") as advance:
        for stream, (split, count) in enumerate(COUNTS.items()):
            generator = np.random.default_rng([28, stream])
            labels = generator.integers(0, 10, size=count, dtype=np.uint8)
            images = np.empty((count, _SIDE, _SIDE), dtype=np.uint8)
            for start in range(0, count, _CHUNK):
                chunk = slice(start, start + _CHUNK)
                images[chunk] = draw_digits(labels[chunk], generator)
                advance(len(labels[chunk]))
            write_idx(directory / f"{split}-images-idx3-ubyte.gz", images)
            write_idx(directory / f"{split}-labels-idx1-ubyte.gz", labels)


def _handwritten(labels: NDArray[np.uint8], generator: np.random.Generator) -> Paths:
    """Digits, each by another writer, shape (labels, points, 3): x, y in pixels, and whether the pen draws there."""
    count = len(labels)
    forms = generator.integers(0, 2, size=count)
    paths = np.stack(
        [_sampled(int(label), int(form) % len(_FORMS[label])) for label, form in zip(labels, forms, strict=True)]
    )
    trembling = _SMOOTHING @ generator.normal(0, 0.06, size=(count, _SMOOTHING.shape[1], 2))
    x, y = np.moveaxis(paths[..., :2] - 0.5 + trembling, -1, 0)
    width, height = generator.uniform([[12], [16]], [[19], [21]], size=(2, count))[..., None]
    x, y = width * x, height * y
    x = x + generator.normal(0, 0.18, size=(count, 1)) * y  # slant
    tilt = generator.normal(0, np.deg2rad(14), size=(count, 1))
    x, y = np.cos(tilt) * x - np.sin(tilt) * y, np.sin(tilt) * x + np.cos(tilt) * y
    centre = (_SIDE - 1) / 2 + generator.normal(0, 1.4, size=(2, count, 1))
    return np.stack([x + centre[0], y + centre[1], paths[..., 2]], axis=-1)


def _distance_to_strokes(strokes: Paths) -> NDArray[np.float32]:
    """Distance in pixels of every pixel to the nearest stroke, shape (images, 28, 28)."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    nearest = np.full((len(strokes), _SIDE, _SIDE), np.inf, dtype=np.float32)
    corners = strokes.astype(np.float32)
    for begin, end in zip(corners[:, :-1].swapaxes(0, 1), corners[:, 1:].swapaxes(0, 1), strict=True):
        drawn = end[:, 2] > 0  # else the pen was lifted
        x, y = begin[drawn, :2, None, None].swapaxes(0, 1)
        along_x, along_y = (end - begin)[drawn, :2, None, None].swapaxes(0, 1)
        length2 = np.maximum(along_x**2 + along_y**2, np.float32(1e-9))
        dx, dy = columns - x, rows - y
        share = np.clip(dx * (along_x / length2) + dy * (along_y / length2), 0, 1)
        dx -= share * along_x
        dy -= share * along_y
        nearest[drawn] = np.minimum(nearest[drawn], dx * dx + dy * dy)
    distance: NDArray[np.float32] = np.sqrt(nearest)
    return distance


def _arc(x: float, y: float, radius_x: float, radius_y: float, begin: float, end: float) -> Paths:
    """Part of an ellipse; degrees clockwise from the right, as y points down."""
    angle = np.deg2rad(np.linspace(begin, end, 13))
    return np.column_stack([x + radius_x * np.cos(angle), y + radius_y * np.sin(angle)])


def _line(*points: tuple[float, float]) -> Paths:
    return np.array(points, dtype=np.float64)


@cache
def _sampled(label: int, form: int) -> Paths:
    """Spread `_POINTS` points evenly over the strokes of a digit: x, y, and 0 where a stroke begins, else 1."""
    strokes = _FORMS[label][form]
    lengths = [np.r_[0, np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))] for stroke in strokes]
    total = sum(length[-1] for length in lengths)
    counts = [max(2, round(_POINTS * length[-1] / total)) for length in lengths]
    counts[int(np.argmax(counts))] += _POINTS - sum(counts)
    sampled = []
    for stroke, length, count in zip(strokes, lengths, counts, strict=True):
        at = np.linspace(0, length[-1], count)
        x, y = (np.interp(at, length, stroke[:, axis]) for axis in (0, 1))
        sampled.append(np.column_stack([x, y, np.r_[0, np.ones(count - 1)]]))
    return np.concatenate(sampled)


# The ways to write each digit, as strokes in a unit square, y downwards.
_FORMS: tuple[tuple[list[Paths], ...], ...] = (
    ([_arc(0.5, 0.5, 0.45, 0.5, -90, 270)],),
    ([_line((0.5, 0.0), (0.5, 1.0))], [_line((0.25, 0.2), (0.55, 0.0), (0.55, 1.0))]),
    ([np.concatenate([_arc(0.5, 0.28, 0.42, 0.28, -170, 40), _line((0.05, 1.0), (0.95, 1.0))])],),
    ([np.concatenate([_arc(0.45, 0.26, 0.4, 0.26, -150, 90), _arc(0.45, 0.74, 0.45, 0.26, -90, 150)])],),
    (
        [_line((0.3, 0.0), (0.05, 0.6), (0.95, 0.6)), _line((0.7, 0.25), (0.7, 1.0))],
        [_line((0.65, 1.0), (0.65, 0.0), (0.05, 0.65), (0.95, 0.65))],
    ),
    ([np.concatenate([_line((0.9, 0.0), (0.2, 0.0), (0.15, 0.45)), _arc(0.45, 0.7, 0.45, 0.3, -120, 150)])],),
    ([np.concatenate([_line((0.7, 0.0), (0.25, 0.4)), _arc(0.5, 0.7, 0.42, 0.3, -180, 180)])],),
    (
        [_line((0.05, 0.0), (0.95, 0.0), (0.4, 1.0))],
        [_line((0.05, 0.0), (0.95, 0.0), (0.4, 1.0)), _line((0.3, 0.5), (0.85, 0.5))],
    ),
    ([np.concatenate([_arc(0.5, 0.26, 0.36, 0.26, 90, 450), _arc(0.5, 0.76, 0.44, 0.24, -90, 270)])],),
    (
        [np.concatenate([_arc(0.5, 0.3, 0.4, 0.3, 0, -360), _line((0.9, 0.3), (0.75, 1.0))])],
        [np.concatenate([_arc(0.5, 0.3, 0.4, 0.3, 0, -360), _arc(0.45, 0.65, 0.45, 0.35, -10, 130)])],
    ),
)
