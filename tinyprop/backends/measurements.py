"""What training takes on a microcontroller: instructions, modelled cycles, memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tinyprop.cost.footprint import Footprint
from tinyprop.cost.target import Target
from tinyprop.engine.phases import PHASES


@dataclass(frozen=True)
class Executed:
    """What some training steps executed, added up.

    Attributes:
        steps, samples: that were counted.
        instructions: executed, by layer and phase, as ``fc1.forward``; ``loss`` is a layer too.
        cycles: modelled cycles, likewise.
        stack: the most that was used of it, in bytes.
    """

    steps: int = 0
    samples: int = 0
    instructions: Mapping[str, int] = field(default_factory=dict)
    cycles: Mapping[str, float] = field(default_factory=dict)
    stack: int = 0

    def __add__(self, other: Executed) -> Executed:
        return Executed(
            self.steps + other.steps,
            self.samples + other.samples,
            Counter(self.instructions) + Counter(other.instructions),
            {
                key: self.cycles.get(key, 0.0) + other.cycles.get(key, 0.0)
                for key in self.cycles.keys() | other.cycles.keys()
            },
            max(self.stack, other.stack),
        )

    def a_step(self, *, by_layer: bool = True) -> dict[str, float]:
        """Means over the counted steps, under the keys of `Measurements.as_dict`; nothing where none was counted."""
        if not self.steps:
            return {}
        found: dict[str, float] = {}
        for quantity, counts in (("instructions", self.instructions), ("cycles", self.cycles)):
            if not counts:
                continue
            means = {key: count / self.steps for key, count in sorted(counts.items())}
            phases = {phase: sum(mean for key, mean in means.items() if _phase(key) == phase) for phase in PHASES}
            found[f"{quantity}.step"] = sum(means.values())
            found |= {f"{quantity}.{phase}": mean for phase, mean in phases.items()}
            if by_layer:
                found |= {f"{quantity}.{key}": mean for key, mean in means.items() if key not in PHASES}
        return found

    def as_dict(self) -> dict[str, Any]:
        """Numbers in dicts, for a checkpoint."""
        return {**asdict(self), "instructions": dict(self.instructions), "cycles": dict(self.cycles)}


@dataclass(frozen=True)
class Measurements:
    """What training one network takes on one part.

    Attributes:
        executed: over the whole run.
        counted: which steps were counted, in words.
        cycle_model: where the modelled cycles come from; None where there are none.
        memory: what it takes of the part.
    """

    simulator: str
    executed: Executed
    counted: str
    cycle_model: str | None
    memory: Footprint

    @property
    def target(self) -> Target:
        """The part."""
        return self.memory.target

    def as_dict(self) -> dict[str, Any]:
        """The ``mcu`` of ``result.json``: flat.

        ``instructions.<what>`` and ``cycles.<what>`` are means of a training step, the latter modelled; ``<what>`` is
        ``step``, a phase, or a layer and a phase. ``ram.<use>`` and ``flash.<use>`` are bytes, with ``total``,
        ``spare`` and ``fits``. ``milliseconds.step`` is the modelled time at the target's highest clock.
        """
        step = self.executed.a_step()
        cycles = step.get("cycles.step")
        return {
            "simulator": self.simulator,
            "target": self.target.name,
            "core": self.target.core,
            "counted": self.counted,
            "counted_steps": self.executed.steps,
            "counted_samples": self.executed.samples,
            "cycle_model": self.cycle_model,
            **step,
            **({} if cycles is None else {"milliseconds.step": cycles / (1e3 * self.target.clock_mhz)}),
            **self.memory.as_dict(),
        }

    def numbers(self) -> dict[str, float]:
        """What of `as_dict` is a number; whether something fits is 1 or 0."""
        return {key: float(value) for key, value in self.as_dict().items() if isinstance(value, int | float)}


def _phase(key: str) -> str:
    return key.rsplit(".", 1)[-1]
