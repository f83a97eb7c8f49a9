"""All that is modelled of one training step on one target, beside what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyprop.cost import (
    BASELINES,
    Baseline,
    Bound,
    Footprint,
    Prediction,
    SpeedUp,
    Target,
    TrainingStep,
    bound,
    footprint,
    predict,
)
from tinyprop.cost.speedup import baseline_of, compared

_TRACKED = ("instructions.step", "cycles.step", "milliseconds.step", "microjoules.step", "ram.total", "flash.total")


@dataclass(frozen=True, eq=False)
class Estimate:
    """One step on one target.

    Attributes:
        baselines: the dense steps that it is compared with, and what they take of the memory.
        gains: how many times faster than each the step is, in modelled cycles.
        bound: what no selection can exceed.
    """

    step: TrainingStep
    prediction: Prediction
    memory: Footprint
    baselines: Mapping[Baseline, tuple[Prediction, Footprint]]
    gains: Mapping[Baseline, SpeedUp]
    bound: Bound

    @property
    def target(self) -> Target:
        """Where it runs."""
        return self.prediction.target

    @property
    def errors(self) -> Mapping[str, Any]:
        """How far predictions from as much knowledge are off: see `tinyprop.cost.Coefficients`."""
        known = self.prediction.coefficients
        return known.errors if self.step.is_measured else known.errors_unmeasured

    def as_dict(self) -> dict[str, Any]:
        """Flat plain values: a ``cost.<target>`` of ``result.json``.

        ``speed_up.<baseline>.<scope>`` and ``bound.<scope>`` are factors; ``errors`` says how far predictions are off.
        """
        found = {**self.prediction.as_dict(), **self.memory.as_dict()}
        for baseline, gain in self.gains.items():
            prediction, memory = self.baselines[baseline]
            found |= {f"speed_up.{baseline}.{scope}": getattr(gain, scope) for scope in SCOPES}
            found[f"{baseline}.cycles.step"] = prediction.cycles
            found[f"{baseline}.instructions.step"] = prediction.instructions
            found[f"{baseline}.milliseconds.step"] = prediction.milliseconds
            if self.target.knows_power:
                found[f"{baseline}.microjoules.step"] = prediction.microjoules
            found[f"{baseline}.ram.total"] = sum(memory.ram.values())
            found[f"{baseline}.flash.total"] = sum(memory.flash.values())
        return found | {
            "bound.macs": self.bound.by_macs,
            "bound.step_without_update": self.bound.by_cycles,
            "bound.step": self.bound.by_cycles_with_update,
            "errors": dict(self.errors),
        }


SCOPES = ("backward", "step_without_update", "step")
"""What a speed-up is of: the backward pass, the step without the optimizer's own phase, the whole step."""


def estimate(step: TrainingStep, target: Target) -> Estimate:
    """Model a step on a target.

    Raises:
        RequestError: nothing is known of the target's core, or of what an adaptive policy keeps.
    """
    prediction = predict(step, target)
    dense = {name: baseline_of(step, name) for name in BASELINES}
    baselines = {name: (predict(other, target), footprint(other, target)) for name, other in dense.items()}
    return Estimate(
        step=step,
        prediction=prediction,
        memory=footprint(step, target),
        baselines=baselines,
        gains={name: compared(prediction, other, name) for name, (other, _) in baselines.items()},
        bound=bound(step, target),
    )


def tracked_numbers(costs: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """What tracking keeps of the ``cost`` of ``result.json``: ``cost.<target>.<what>``, without the factors."""
    return {
        f"cost.{target}.{key}": float(value)
        for target, cost in costs.items()
        for key, value in cost.items()
        if key in _TRACKED
    }
