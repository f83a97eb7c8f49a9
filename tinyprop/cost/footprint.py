"""Bytes of a part's RAM and flash that training takes, by use, and whether the part has them.

What the engine allocates is exact (see `tinyprop.cost.memory`). Stack and code are those of the simulated firmware.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tinyprop.cost.coefficients import Coefficients, coefficients_of
from tinyprop.cost.memory import engine_memory
from tinyprop.cost.step import TrainingStep
from tinyprop.cost.target import Target
from tinyprop.engine.description import HEADER_WORDS, LAYER_WORDS
from tinyprop.engine.host import Memory
from tinyprop.models.specification import NetworkSpecification

_WORD = 4
_ENGINE_USES = ("weights", "gradients", "optimizer", "activations", "scratch", "network")


@dataclass(frozen=True)
class Footprint:
    """Bytes of RAM and flash by use, and whether a part has them.

    Attributes:
        ram: ``samples`` is the input of one micro-batch, ``static`` the program's own data, ``stack`` the most that was
            seen in simulation.
        flash: ``weights`` are the initial ones.
    """

    target: Target
    ram: Mapping[str, int]
    flash: Mapping[str, int]

    @property
    def ram_spare(self) -> int:
        """Bytes of the target's SRAM that stay free; under 0 it does not fit."""
        return self.target.sram_bytes - sum(self.ram.values())

    @property
    def flash_spare(self) -> int:
        """Bytes of the target's flash that stay free; under 0 it does not fit."""
        return self.target.flash_bytes - sum(self.flash.values())

    @property
    def fits(self) -> bool:
        """Whether both suffice."""
        return self.ram_spare >= 0 and self.flash_spare >= 0

    @property
    def lacking(self) -> list[str]:
        """What does not fit and by how much, in words."""
        return [
            f"{-spare} bytes of {kind} more than the {size} of {self.target.name}"
            for kind, spare, size in (
                ("SRAM", self.ram_spare, self.target.sram_bytes),
                ("flash", self.flash_spare, self.target.flash_bytes),
            )
            if spare < 0
        ]

    def as_dict(self) -> dict[str, Any]:
        """Flat, under the keys of `tinyprop.backends.measurements.Measurements.as_dict`."""
        return {
            **{f"ram.{use}": size for use, size in self.ram.items()},
            "ram.total": sum(self.ram.values()),
            "ram.spare": self.ram_spare,
            "ram.fits": self.ram_spare >= 0,
            **{f"flash.{use}": size for use, size in self.flash.items()},
            "flash.total": sum(self.flash.values()),
            "flash.spare": self.flash_spare,
            "flash.fits": self.flash_spare >= 0,
        }


class Firmware(Protocol):
    """What is known of the program: see `tinyprop.engine.image.Image`. Bytes."""

    @property
    def code(self) -> int: ...
    @property
    def constants(self) -> int: ...
    @property
    def static(self) -> int: ...


def footprint(step: TrainingStep, target: Target, *, coefficients: Coefficients | None = None) -> Footprint:
    """What training takes of a part's memory.

    Raises:
        RequestError: the engine cannot hold the network, or nothing is known of the target's core.
    """
    firmware = coefficients or coefficients_of(target.core)
    held = step.micro_batch or step.batch_size
    return footprint_of(target, step.specification, engine_memory(step), firmware, held=held, stack=firmware.stack)


def footprint_of(
    target: Target,
    specification: NetworkSpecification,
    memory: Memory,
    firmware: Firmware,
    *,
    held: int,
    stack: int,
) -> Footprint:
    """The same of what the engine asks for.

    Args:
        held: samples of a micro-batch.
        stack: bytes of it.
    """
    inputs, outputs = math.prod(specification.input_shape), math.prod(specification.output_shape)
    targets = outputs if specification.loss == "mean_squared_error" else 1
    return Footprint(
        target,
        ram={
            **{use: getattr(memory, use) for use in _ENGINE_USES},
            "samples": _WORD * held * (inputs + targets),
            "stack": stack,
            "static": firmware.static,
        },
        flash={
            "code": firmware.code,
            "constants": firmware.constants,
            "description": _WORD * (HEADER_WORDS + LAYER_WORDS * len(specification.layers)),
            "weights": memory.weights,
        },
    )
