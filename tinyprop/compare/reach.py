"""How much work training takes until a score is reached, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tinyprop.compare.quantities import Quantity
from tinyprop.compare.run import Run

SPLITS = ("test", "validation")
"""Where the score of an epoch is taken from: the test set where every epoch was tested, else validation data."""
_BACKWARD = ("weight_gradient", "input_gradient")
_STEP = ("forward", *_BACKWARD, "update")


@dataclass(frozen=True)
class Reached:
    """The first epoch at whose end the score was there.

    Attributes:
        backward_macs, step_macs: multiply-accumulates up to then: backward, and all of the steps.
    """

    epoch: int
    backward_macs: float
    step_macs: float


@dataclass(frozen=True)
class CurvePoint:
    """The end of an epoch: work so far as in `Reached`, and the score."""

    epoch: int
    backward_macs: float
    step_macs: float
    score: float


def split_of(runs: Sequence[Run], score: Quantity) -> str | None:
    """The split whose score most runs have at the end of epochs, the test set where as many have both; None if none."""
    counts = {split: sum(bool(curve(run, score, split)) for run in runs) for split in SPLITS}
    best = max(SPLITS, key=lambda split: counts[split])
    return best if counts[best] else None


def curve(run: Run, score: Quantity, split: str) -> list[CurvePoint]:
    """Work and score at the end of each epoch; empty where the score was not recorded, as without
    ``trainer.test_every_epoch=true``.
    """
    column = f"{split}_{score.key.removeprefix('test_').removeprefix('validation_')}"
    backward = step = 0.0
    found = []
    for row in run.epochs:
        backward += sum(row.get(f"macs.{phase}.kept", 0.0) for phase in _BACKWARD)
        step += sum(row.get(f"macs.{phase}.kept", 0.0) for phase in _STEP)
        if math.isfinite(row.get(column, math.nan)):
            found.append(CurvePoint(int(row["epoch"]), backward, step, row[column]))
    return found


def first_reached(points: Sequence[CurvePoint], threshold: float, *, higher_is_better: bool = True) -> Reached | None:
    """The first epoch with the score at the threshold or better; None if there is none."""
    for point in points:
        if point.score >= threshold if higher_is_better else point.score <= threshold:
            return Reached(point.epoch, point.backward_macs, point.step_macs)
    return None
