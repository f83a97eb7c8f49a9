"""What a sparse step gains, always against a named baseline and always three ways, and what can be gained at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tinyprop.cost.operations import operations
from tinyprop.cost.predict import BACKWARD, Prediction, predict
from tinyprop.cost.step import TrainingStep
from tinyprop.cost.target import Target
from tinyprop.engine.phases import PHASES

Baseline = Literal["dense", "dense_skipping_zeros"]
BASELINES: dict[Baseline, str] = {
    "dense": "dense backpropagation",
    "dense_skipping_zeros": "dense backpropagation that skips exact zeros",
}
_SCOPES: Mapping[str, tuple[str, ...]] = {
    "backward": BACKWARD,
    "step_without_update": tuple(phase for phase in PHASES if phase != "update"),
    "step": PHASES,
}


@dataclass(frozen=True)
class SpeedUp:
    """Cycles of the baseline over those of the step; above 1 the step is faster.

    Attributes:
        backward: selection, input gradients and weight gradients.
        step_without_update: the whole step without what the optimizer does besides (its own phase; where SGD adds
            gradients straight to the weights there is none).
        step: the whole step.
    """

    baseline: Baseline
    backward: float
    step_without_update: float
    step: float

    def as_dict(self) -> dict[str, float | str]:
        """Plain values, for a table."""
        return dict(vars(self))


def speed_up(step: TrainingStep, target: Target, *, baseline: Baseline = "dense") -> SpeedUp:
    """What the step gains over a dense one of the same network, batch and optimizer.

    Shares of zeros in ``step.activity`` hold for both.

    Raises:
        RequestError: see `predict`.
    """
    return compared(predict(step, target), predict(baseline_of(step, baseline), target), baseline)


def baseline_of(step: TrainingStep, baseline: Baseline) -> TrainingStep:
    """The step that another is compared with."""
    return step.dense(skip_zeros=baseline == "dense_skipping_zeros")


def compared(sparse: Prediction, dense: Prediction, baseline: Baseline) -> SpeedUp:
    """The same of two predictions."""
    gains = {
        name: _gain(dense.cycles_of(dense.over(phases)), sparse.cycles_of(sparse.over(phases)))
        for name, phases in _SCOPES.items()
    }
    return SpeedUp(baseline, **gains)


@dataclass(frozen=True)
class Bound:
    """What a whole step could gain at most, were backward work free: (F + W + X + U) / (F + U').

    Attributes:
        by_macs: F, W, X in multiply-accumulates of the dense step, without any update.
        by_cycles: in modelled cycles, everything but the backward pass kept as it is, without the update's own phase.
        by_cycles_with_update: the same with it, at the least that it takes: where software computes floats, Adam is
            quicker on gradients that are zero.
    """

    by_macs: float
    by_cycles: float
    by_cycles_with_update: float


def bound(step: TrainingStep, target: Target) -> Bound:
    """The most that any selection can gain over the dense step: F + r (W + X) at r = 0, with selection for nothing.

    Raises:
        RequestError: see `predict`.
    """
    dense = step.dense()
    macs = {"forward": 0.0, "input_gradient": 0.0, "weight_gradient": 0.0}
    for name, counted in operations(dense).items():
        phase = name.rpartition(".")[2]
        if phase in macs:
            macs[phase] += counted.macs
    costs = predict(dense, target)

    def cycles(phases: tuple[str, ...]) -> float:
        return costs.cycles_of(costs.over(phases))

    without_update = _SCOPES["step_without_update"]
    least = predict(step.keeping(0.0), target)
    update = cycles(("update",))
    saved = max(0.0, update - least.cycles_of(least.over(("update",))))
    return Bound(
        by_macs=_gain(sum(macs.values()), macs["forward"]),
        by_cycles=_gain(cycles(without_update), cycles(without_update) - cycles(BACKWARD)),
        by_cycles_with_update=_gain(cycles(PHASES), cycles(PHASES) - cycles(BACKWARD) - saved),
    )


def _gain(before: float, after: float) -> float:
    return before / after if after else float("inf")
