"""Instructions, cycles, time and energy of a training step on a microcontroller, predicted without running anything.

    step = TrainingStep(specification=…, policy=Static(ratio=0.1), optimizer=Sgd(lr=0.01), batch_size=1)
    prediction = predict(step, target)
    prediction.instructions, prediction.milliseconds, prediction.by_phase()["forward"].instructions

All figures are modelled: `Prediction.provenance` and `Prediction.errors` say by what and how well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import mul
from typing import Any

from tinyprop.cost.coefficients import Coefficients, Kernel, coefficients_of
from tinyprop.cost.step import TrainingStep
from tinyprop.cost.target import Target
from tinyprop.cost.work import Part, parts_of
from tinyprop.engine.images import CORES
from tinyprop.engine.phases import PHASES
from tinyprop.errors import RequestError

BACKWARD = ("select", "input_gradient", "weight_gradient")


@dataclass(frozen=True)
class Cost:
    """What something takes.

    Attributes:
        instructions: executed.
        cycles: of the core with memories that answer at once, without what waiting for the flash adds.
        jumps: branches that go on elsewhere.
    """

    instructions: float = 0.0
    cycles: float = 0.0
    jumps: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles, self.jumps + other.jumps)


@dataclass(frozen=True)
class Prediction:
    """One training step, that is one batch, on one target. Every figure is modelled.

    Attributes:
        parts: by layer and phase, as ``fc1.forward``; ``loss.forward`` and ``other`` are no layer's.
        coefficients: what was used.
    """

    target: Target
    parts: Mapping[str, Cost]
    coefficients: Coefficients

    @property
    def total(self) -> Cost:
        """The whole step."""
        return self.over(PHASES)

    def over(self, phases: tuple[str, ...]) -> Cost:
        """What these phases take together."""
        return sum((cost for name, cost in self.parts.items() if _phase(name) in phases), Cost())

    def by_phase(self) -> dict[str, Cost]:
        """Every phase, in order."""
        return {phase: self.over((phase,)) for phase in PHASES}

    def by_layer(self) -> dict[str, dict[str, Cost]]:
        """Phases of every layer that has a part in them; the loss counts as a layer."""
        found: dict[str, dict[str, Cost]] = {}
        for name, cost in self.parts.items():
            layer, _, phase = name.rpartition(".")
            if layer:
                found.setdefault(layer, {})[phase] = cost
        return found

    @property
    def instructions(self) -> float:
        """Of the whole step."""
        return self.total.instructions

    @property
    def cycles(self) -> float:
        """Of the whole step on this target, waiting for its flash included."""
        return self.cycles_of(self.total)

    @property
    def milliseconds(self) -> float:
        """Of the whole step at the target's highest clock."""
        return self.milliseconds_of(self.total)

    @property
    def microjoules(self) -> float:
        """Of the whole step at the target's highest clock.

        Raises:
            RequestError: the target does not say what current it takes at what voltage.
        """
        return self.microjoules_of(self.total)

    def cycles_of(self, cost: Cost) -> float:
        """A cost's cycles on this target, waiting for its flash included."""
        return cost.cycles + cost.jumps * self.target.stall_cycles

    def milliseconds_of(self, cost: Cost) -> float:
        """A cost's time at the target's highest clock."""
        return self.cycles_of(cost) / (1e3 * self.target.clock_mhz)

    def microjoules_of(self, cost: Cost) -> float:
        """A cost's energy at the target's highest clock.

        Raises:
            RequestError: the target does not say what current it takes at what voltage.
        """
        return self.milliseconds_of(cost) * self.target.milliwatts

    def as_dict(self) -> dict[str, Any]:
        """Flat, under the keys of `tinyprop.backends.measurements.Measurements.as_dict`: figures of one step.

        ``microjoules.step`` is missing where the target does not know its current.
        """
        found: dict[str, Any] = {"modelled": True, "target": self.target.name, "core": self.target.core}
        groups = {"step": self.total} | self.by_phase() | {k: v for k, v in self.parts.items() if k not in PHASES}
        found |= {f"instructions.{name}": cost.instructions for name, cost in groups.items()}
        found |= {f"cycles.{name}": self.cycles_of(cost) for name, cost in groups.items()}
        found["milliseconds.step"] = self.milliseconds
        if self.target.knows_power:
            found["microjoules.step"] = self.microjoules
        return found | {"cycle_model": self.coefficients.cycle_model}


def predict(step: TrainingStep, target: Target, *, coefficients: Coefficients | None = None) -> Prediction:
    """What a training step takes on a target.

    Args:
        coefficients: other ones than those stored for the target's core.

    Raises:
        RequestError: the engine cannot run the network, nothing is known of the target's core, or of one with an FPU
            like its own, or nothing says what an adaptive policy keeps.
    """
    known = coefficients or coefficients_of(target.core)
    core = CORES.get(target.core)
    if core is not None and target.fpu != core.fpu:
        raise RequestError(
            f"{target.name}: no cost is known for a {target.core} {'with' if target.fpu else 'without'} a "
            f"floating-point unit, only for one {'with' if core.fpu else 'without'} it "
            f"(target.fpu={str(core.fpu).lower()})"
        )
    found: dict[str, Cost] = {}
    for part in parts_of(step):
        found[f"{part.layer}.{part.phase}" if part.layer else part.phase] = _cost(part, _kernel(known, part))
    return Prediction(target, found, known)


def _cost(part: Part, kernel: Kernel) -> Cost:
    values = part.features.values()
    return Cost(
        sum(map(mul, kernel.instructions, values)),
        sum(map(mul, kernel.cycles, values)),
        sum(map(mul, kernel.jumps, values)),
    )


def _kernel(known: Coefficients, part: Part) -> Kernel:
    kernel = known.kernels.get(part.kernel)
    if kernel is None or kernel.features != tuple(part.features):
        raise RequestError(
            f"the stored costs of {known.core} are not for this version of the model ({part.kernel} differs); run: "
            "tinyprop cost calibrate"
        )
    return kernel


def _phase(name: str) -> str:
    return name.rpartition(".")[2]
