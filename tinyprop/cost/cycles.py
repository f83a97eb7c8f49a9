"""Modelled cycles of Cortex-M code, from the classes of its instructions and from which branches are taken.

Modelled, never measured: the published timings of each instruction with memories that answer at once, and the published
rules for neighbouring instructions. Wait states of flash, buses and caches are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """Classes of instructions that take equally long."""

    SIMPLE = auto()
    """Arithmetic, logic, shifts, moves, comparisons, IT."""
    MULTIPLY = auto()
    MULTIPLY_ADD = auto()
    MULTIPLY_LONG = auto()
    MULTIPLY_ADD_LONG = auto()
    DIVIDE = auto()
    LOAD = auto()
    STORE = auto()
    """At a constant offset."""
    STORE_INDEXED = auto()
    """At an offset in a register."""
    TRANSFER = auto()
    """Several registers to or from memory, core or floating point."""
    BRANCH = auto()
    CALL = auto()
    BRANCH_REGISTER = auto()
    """To an address in a register."""
    TABLE_BRANCH = auto()
    SYSTEM = auto()
    FLOAT = auto()
    """Floating-point addition, multiplication, comparison, conversion, move."""
    FLOAT_MULTIPLY_ADD = auto()
    FLOAT_DIVIDE = auto()
    """And square root."""
    FLOAT_MOVE_TWO = auto()
    """Between two core and two floating-point registers."""
    FLOAT_LOAD = auto()
    FLOAT_STORE = auto()


_LOADS = frozenset({Kind.LOAD})
_STORES = frozenset({Kind.STORE, Kind.STORE_INDEXED})
_FLOAT_ARITHMETIC = frozenset({Kind.FLOAT, Kind.FLOAT_MULTIPLY_ADD, Kind.FLOAT_DIVIDE, Kind.FLOAT_MOVE_TWO})
_MEMORY = _LOADS | _STORES | {Kind.TRANSFER, Kind.FLOAT_LOAD, Kind.FLOAT_STORE}


@dataclass(frozen=True)
class Instruction:
    """One instruction as far as its time goes.

    Attributes:
        registers: of a transfer, 32-bit registers moved.
        reads, writes: names of registers. Floating-point registers are single ones (``s0``).
        address: of a load or store, the registers that its address is made of.
    """

    kind: Kind
    registers: int = 0
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    address: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Timing:
    """How long a core takes.

    Attributes:
        source: the document that says so, or what is assumed where none does.
        published: whether the maker states these figures.
        cycles: of each kind of instruction; of a transfer without its registers.
        taken: what a branch takes besides when execution goes on elsewhere.
        pipelined: a load or store directly after a load takes one cycle less, unless its address comes from that load.
        float_result_delay: cycles that a floating-point result is late for the very next instruction.
        dual_issue: two neighbours go together unless the second needs the first, or both need memory or the
            floating-point unit; transfers move two registers a cycle.
    """

    source: str
    published: bool
    cycles: Mapping[Kind, float]
    taken: Mapping[Kind, float]
    pipelined: bool = False
    float_result_delay: float = 0
    dual_issue: bool = False


def block_cycles(timing: Timing, block: Sequence[Instruction], *, jumps: bool) -> float:
    """Modelled cycles of one pass through straight code.

    Args:
        jumps: whether execution goes on somewhere else than directly behind the block.
    """
    total = 0.0
    before: Instruction | None = None
    for instruction in block:
        cycles = _alone(timing, instruction)
        together = before is not None and timing.dual_issue and _go_together(before, instruction)
        if together or (before is not None and _overlaps(timing, before, instruction)):
            cycles -= 1
        elif before is not None and before.kind in _FLOAT_ARITHMETIC and before.writes & instruction.reads:
            cycles += timing.float_result_delay
        total += cycles
        before = None if together else instruction
    return total + (timing.taken.get(block[-1].kind, 0) if jumps else 0)


def _alone(timing: Timing, instruction: Instruction) -> float:
    cycles = timing.cycles.get(instruction.kind, 1)
    if instruction.kind is Kind.TRANSFER:
        cycles += instruction.registers / 2 if timing.dual_issue else instruction.registers
    return cycles


def _overlaps(timing: Timing, before: Instruction, instruction: Instruction) -> bool:
    return (
        timing.pipelined
        and before.kind in _LOADS
        and (instruction.kind in _LOADS or instruction.kind is Kind.STORE_INDEXED)
        and not before.writes & instruction.address
    )


def _go_together(first: Instruction, second: Instruction) -> bool:
    kinds = {first.kind, second.kind}
    return (
        not first.writes & second.reads
        and not kinds <= _MEMORY
        and not kinds <= _FLOAT_ARITHMETIC
        and Kind.TRANSFER not in kinds
        and not kinds & {Kind.DIVIDE, Kind.FLOAT_DIVIDE}
    )


_REFILL = 1.5
"""Cycles that a taken branch waits for new instructions: published as 1 to 3; most branches here are short loops."""

_M3_TAKEN = {
    **dict.fromkeys((Kind.BRANCH, Kind.CALL, Kind.BRANCH_REGISTER, Kind.TABLE_BRANCH, Kind.SIMPLE), _REFILL),
    **dict.fromkeys((Kind.LOAD, Kind.TRANSFER), _REFILL),
}
_M4_CYCLES = {
    Kind.DIVIDE: 7,  # 2 to 12, by the operands
    Kind.LOAD: 2,
    Kind.STORE: 1,
    Kind.STORE_INDEXED: 2,
    Kind.TRANSFER: 1,
    Kind.TABLE_BRANCH: 2,
    Kind.FLOAT_MULTIPLY_ADD: 3,
    Kind.FLOAT_DIVIDE: 14,
    Kind.FLOAT_MOVE_TWO: 2,
    Kind.FLOAT_LOAD: 2,
    Kind.FLOAT_STORE: 2,
}

TIMINGS = {
    "cortex-m0plus": Timing(
        source="Cortex-M0+ technical reference manual (Arm DDI 0484C), table 3-1, with the one-cycle multiplier",
        published=True,
        cycles={Kind.LOAD: 2, Kind.STORE: 2, Kind.STORE_INDEXED: 2, Kind.TRANSFER: 1, Kind.SYSTEM: 3},
        taken={Kind.BRANCH: 1, Kind.CALL: 2, Kind.BRANCH_REGISTER: 1, Kind.SIMPLE: 1, Kind.TRANSFER: 2},
    ),
    "cortex-m3": Timing(
        source='Cortex-M3 technical reference manual (Arm DDI 0337I), table 3-1 and "Load/store timings"',
        published=True,
        cycles={
            Kind.MULTIPLY_ADD: 2,
            Kind.MULTIPLY_LONG: 4,  # 3 to 5, by the operands
            Kind.MULTIPLY_ADD_LONG: 5.5,  # 4 to 7
            Kind.DIVIDE: 7,  # 2 to 12
            Kind.LOAD: 2,
            Kind.STORE: 1,
            Kind.STORE_INDEXED: 2,
            Kind.TRANSFER: 1,
            Kind.TABLE_BRANCH: 2,
        },
        taken=_M3_TAKEN,
        pipelined=True,
    ),
    "cortex-m4": Timing(
        source='Cortex-M4 technical reference manual (Arm 100166), tables 3-1 and 7-1 and "Load/store timings"',
        published=True,
        cycles=_M4_CYCLES,
        taken=_M3_TAKEN,
        pipelined=True,
        float_result_delay=1,
    ),
    "cortex-m7": Timing(
        source="assumed, since none are published: two instructions a cycle as far as they allow, branches predicted",
        published=False,
        cycles={Kind.DIVIDE: 7, Kind.FLOAT_DIVIDE: 14, Kind.TRANSFER: 0},
        taken={Kind.TABLE_BRANCH: 2},
        float_result_delay=2,
        dual_issue=True,
    ),
    "cortex-m33": Timing(
        source="assumed to be those of the Cortex-M4, since none are published",
        published=False,
        cycles=_M4_CYCLES,
        taken=_M3_TAKEN,
        pipelined=True,
        float_result_delay=1,
    ),
}
"""By core."""
