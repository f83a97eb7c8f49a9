"""What an exported program takes of RAM and flash, use by use, and whether the part has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinyprop.cost.target import Target
from tinyprop.engine import Memory
from tinyprop.engine.image import Image
from tinyprop.engine.images import core_of
from tinyprop.export.memory_map import MemoryMap
from tinyprop.export.network import ExportedNetwork

_WORD = 4
_LEAST_STACK = 3072
_DEMONSTRATION = 6 * _WORD

Use = tuple[str, int]
"""What for, and bytes."""


@dataclass(frozen=True)
class Budget:
    """Bytes that the program takes of one kind of memory, and that there are."""

    name: str
    uses: tuple[Use, ...]
    available: int

    @property
    def used(self) -> int:
        return sum(size for _, size in self.uses)

    @property
    def missing(self) -> int:
        """Bytes that there are too few."""
        return max(0, self.used - self.available)


def ram(network: ExportedNetwork, memory: Memory, stack: int, available: MemoryMap) -> Budget:
    """RAM of the demonstration.

    Args:
        memory: what the engine asks for.
        stack: bytes reserved.
    """
    return Budget("RAM", (*_engine_uses(memory), *_program_uses(network), ("stack", stack)), available.ram_bytes)


def flash(network: ExportedNetwork, target: Target, available: MemoryMap) -> Budget:
    """Flash of the demonstration, its code taken to be as large as that of the firmware image."""
    firmware = Image.read(core_of(target.core).path)
    uses = (
        ("code and its constants", firmware.code + firmware.constants),
        ("description of the network", network.description.words.nbytes),
        ("initial weights", network.weights.nbytes),
        ("samples of the demonstration", network.x.nbytes + network.target.nbytes),
    )
    return Budget("Flash", uses, available.flash_bytes)


def stack_to_reserve(measured: int | None) -> int:
    """Bytes of stack: room for twice what was measured, in whole kilobytes."""
    return max(_LEAST_STACK, -(-2 * (measured or 0) // 1024) * 1024)


def _engine_uses(memory: Memory) -> Iterator[Use]:
    yield "weights and biases", memory.weights
    yield "weight gradients", memory.gradients
    yield "optimizer, running maxima", memory.optimizer
    yield "activations", memory.activations
    yield "output gradients, selection, patches", memory.scratch
    yield "records of the layers", memory.network


def _program_uses(network: ExportedNetwork) -> Iterator[Use]:
    """Static data of fine_tune.c, main.c and board/run.c, as these declare it."""
    description = network.description
    if description.batch_size > 1:
        target = network.target.nbytes // len(network.target)
        yield "samples waiting for their batch", description.batch_size * (_WORD * description.inputs + target) + _WORD
    yield "outputs, result, pointers", 2 * _WORD * description.outputs + _DEMONSTRATION + 2 * _WORD
