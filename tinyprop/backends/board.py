"""The simulated board as the host sees it: where things lie in its memory, and the block that jobs go through.

The same for every core and every simulator. Figures of memory are never taken from here: a network is placed in memory
that no real part has, so that networks too large for any can be simulated.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import IntFlag

from tinyprop.engine import Description, Memory
from tinyprop.engine.phases import MARKED
from tinyprop.engine.statistics import STATISTICS_BYTES, SelectionSums

FLASH, FLASH_BYTES = 0x00000000, 1 << 20
SRAM, SRAM_BYTES = 0x20000000, 256 << 10
STACK_TOP = SRAM + SRAM_BYTES
SAMPLES = 0x60000000
"""Training data."""
POOL = 0xA0000000
"""Description, weights and arena. Nothing can be executed from here on (Armv7-M architecture reference manual, B3.1):
Unicorn does not look for changed code at every store, which would take it twenty times as long."""

JOB_LOOP = 0xFF
"""What tp_mark is called with when a job's own work begins, which is none of the engine's."""
_ALIGNMENT = 64
_DIVERGED = 7


def part_of(mark: int, layer_names: Sequence[str]) -> str:
    """The layer and phase that a call of tp_mark begins, as ``fc1.forward``; ``other`` is around batches.

    Args:
        layer_names: of all layers, in order; the loss counts as one behind them.
    """
    phase = MARKED[mark & 0xFF]
    return phase if phase == "other" else f"{(*layer_names, 'loss')[mark >> 8]}.{phase}"


class Command(IntFlag):
    """What a job does, in this order; see firmware/job.h."""

    MEASURE = 1
    OPEN = 2
    RESTORE = 4
    CLEAR = 8
    TRAIN = 16
    SEND = 32


@dataclass(frozen=True)
class Job:
    """What the board is told: the first part of ``tp_job``. Addresses, and numbers."""

    commands: Command
    description: int = 0
    words: int = 0
    weights: int = 0
    arena: int = 0
    arena_bytes: int = 0
    saved_state: int = 0
    x: int = 0
    target: int = 0
    order: int = 0
    samples: int = 0
    learning_rate: float = 0.0
    statistics: int = 0

    def to_bytes(self) -> bytes:
        """As it lies in memory."""
        return _JOB.pack(*astuple(self))


@dataclass(frozen=True)
class Answer:
    """What the board answers: the second part of ``tp_job``.

    Attributes:
        status: ``tp_status`` of c/tinyprop.h.
        state: the address of the training state.
        layers: trainable ones.
        samples, skipped, loss: of this job; loss is the sum over its samples.
        stack: bytes of it used since reset.
    """

    status: int
    memory: Memory
    state: int
    layers: int
    samples: int
    skipped: int
    loss: float
    stack: int

    @classmethod
    def from_bytes(cls, content: bytes) -> Answer:
        """From memory behind what `Job.to_bytes` gives."""
        status, *memory, _, state, layers, samples, skipped, loss, stack = _ANSWER.unpack(content)
        return cls(status, Memory(*memory), state, layers, samples, skipped, loss, stack)

    @property
    def diverged(self) -> bool:
        """Whether the loss of the batch after ``samples`` is not finite; ``loss`` shows it."""
        return self.status == _DIVERGED


_JOB = struct.Struct("<11IfI")
_ANSWER = struct.Struct("<14IfI")
JOB_BYTES, ANSWER_BYTES = _JOB.size, _ANSWER.size


class Pool:
    """Addresses in the pool of one network.

    Attributes:
        end: the first address behind it.
    """

    def __init__(self, description: Description, memory: Memory):
        self._next = POOL
        self.description = self._take(description.words.nbytes)
        self.weights = self._take(memory.weights)
        self.saved_state = self._take(4 * memory.state)
        self.statistics = self._take(STATISTICS_BYTES * len(description.layers))
        self.arena = self._take(memory.arena)
        self.end = self._next

    def _take(self, size: int) -> int:
        address = self._next
        self._next += -(-size // _ALIGNMENT) * _ALIGNMENT
        return address


def statistics_from(content: bytes) -> list[SelectionSums]:
    """The statistics of each trainable layer, as they lie in memory one after the other."""
    starts = range(0, len(content), STATISTICS_BYTES)
    return [SelectionSums.from_bytes(content[start : start + STATISTICS_BYTES]) for start in starts]


@dataclass(frozen=True)
class Sent:
    """What a job with `Command.SEND` puts on the serial line: job block, weights, state, statistics."""

    answer: Answer
    weights: bytes
    state: bytes
    statistics: list[SelectionSums]

    @classmethod
    def from_bytes(cls, content: bytes) -> Sent:
        """From all that came over the line.

        Raises:
            ValueError: it is cut short, or longer than it says it is.
        """
        answer = Answer.from_bytes(content[JOB_BYTES : JOB_BYTES + ANSWER_BYTES])
        parts, start = [], JOB_BYTES + ANSWER_BYTES
        for size in (answer.memory.weights, 4 * answer.memory.state, STATISTICS_BYTES * answer.layers):
            parts.append(content[start : start + size])
            start += size
        if start != len(content):
            raise ValueError(f"{len(content)} bytes were sent, {start} expected")
        return cls(answer, parts[0], parts[1], statistics_from(parts[2]))
