"""What Renode is told: the platform that it simulates, and the commands of one run.

Renode 1.14.0 and 1.16.1 were both seen to take these commands with a Cortex-M4. Three things are taken from Renode's
published sources and platforms and were not tried: how a hook reads a register and keeps a count (see `mark_hook`), the
serial line on a platform other than Renode's own STM32F4, and the names of the other cores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinyprop.backends.board import JOB_LOOP

SCRIPT, PLATFORM, IMAGE, ANSWER = "run.resc", "board.repl", "image.elf", "answer.bin"
"""Files of one run, all in its directory."""
SENTINEL = "TP end of script"
"""Printed after the last command. Renode ends with status 0 also where it stops at the first wrong one."""

_MIPS = 72
"""Millions of instructions in a second of virtual time; nothing depends on it but what `RunFor` means."""
_CPU_TYPES = {
    "cortex-m0plus": "cortex-m0+",
    "cortex-m3": "cortex-m3",
    "cortex-m4": "cortex-m4",
    "cortex-m7": "cortex-m7",
    "cortex-m33": "cortex-m33",
}
_MEMORY_UNIT = 1 << 16
_FIRST_SLICE, _GROWTH = 4_000_000, 1.05


@dataclass(frozen=True)
class Region:
    """Memory of the platform: ``size`` bytes, rounded up."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Load:
    """A file in the directory of the run whose bytes are put to an address before the start."""

    file: str
    address: int


@dataclass(frozen=True)
class Logged:
    """Which calls of tp_mark are logged, where not all are.

    Attributes:
        steps: those within these batches, counted from 0.
        every: ends of so many batches, which tell how far the training is.
    """

    steps: Sequence[int]
    every: int


def platform(core: str, regions: Sequence[Region]) -> str:
    """A board with a core, these memories and the serial line that the firmware answers through.

    Args:
        core: as targets name it, such as ``cortex-m4``.
    """
    memories = "".join(
        f"{region.name}: Memory.MappedMemory @ sysbus {region.address:#x}\n"
        f"    size: {max(1, -(-region.size // _MEMORY_UNIT)) * _MEMORY_UNIT:#x}\n\n"
        for region in regions
    )
    return (
        f"{memories}"
        "nvic: IRQControllers.NVIC @ sysbus 0xE000E000\n"
        "    priorityMask: 0xF0\n"
        "    systickFrequency: 72000000\n"
        "    IRQ -> cpu@0\n\n"
        "cpu: CPU.CortexM @ sysbus\n"
        f'    cpuType: "{_CPU_TYPES[core]}"\n'
        "    nvic: nvic\n"
        f"    PerformanceInMips: {_MIPS}\n\n"
        "usart2: UART.STM32_UART @ sysbus <0x40004400, +0x100>\n"
        "    -> nvic@38\n"
    )


def script(*, loads: Sequence[Load], stack: int, entry: int, mark: int, hook: str, budget: int) -> str:
    """The commands of one run: load, start, execute in slices, and say after each how many instructions that were.

    The run is over when the firmware has answered. Whoever started Renode sees that in ``answer.bin`` and ends it.

    Args:
        loads: what is put into memory on top of the image.
        stack, entry: what stack pointer and program counter begin with.
        mark: address of tp_mark.
        hook: Python that is executed whenever it is reached.
        budget: instructions that are executed at most.
    """
    lines = [
        "using sysbus",
        'mach create "board"',
        f"machine LoadPlatformDescription @{PLATFORM}",
        f"sysbus LoadELF @{IMAGE}",
        *(f"sysbus LoadBinary @{load.file} {load.address:#x}" for load in loads),
        f"sysbus.usart2 CreateFileBackend @{ANSWER} true",  # true: every byte is in the file at once
        "emulation SetGlobalAdvanceImmediately true",  # 1.16 keeps to real time otherwise
        "cpu VectorTableOffset 0x0",
        f"cpu SP {stack:#x}",
        f"cpu PC {entry:#x}",
        f'cpu AddHook {mark:#x} "{hook}"',
    ]
    for instructions in slices(budget):
        lines += [f'emulation RunFor "{instructions / _MIPS / 1e6:.6f}"', "cpu ExecutedInstructions"]
    lines += [f'echo "{SENTINEL}"', "quit"]
    return "\n".join(lines) + "\n"


def slices(budget: int) -> Iterator[int]:
    """How many instructions each `RunFor` of a script stands for: a twentieth of all before it, ``budget`` together."""
    total, index = 0, 0
    while total < budget:
        yield (instructions := math.ceil(_FIRST_SLICE * _GROWTH**index))
        total, index = total + instructions, index + 1


def mark_hook(logged: Logged | None) -> str:
    """Python that logs calls of tp_mark: ``TP mark``, its argument, the instructions executed before it, and, where not
    all are logged, the number of batches begun by then.

    `self` is the core, and the hook's global variables live as long as the hook: one scope a hook in the sources of all
    versions. 1.14.0 has GetRegisterUnsafe only, later versions have GetRegister; both give a value with RawValue.

    Args:
        logged: None logs all.
    """
    register = "(getattr(self, 'GetRegister', None) or self.GetRegisterUnsafe)(0).RawValue"
    if logged is None:
        return f"self.InfoLog('TP mark {{0}} {{1}}'.format({register}, self.ExecutedInstructions))"
    within = tuple(step + 1 for step in logged.steps)  # a call with 0 comes before the first batch, and after each
    ends = tuple(step + 2 for step in logged.steps)
    return (
        f"where = {register}; begun = globals().get('begun', 0) + int(where == 0); "
        f"(where == {JOB_LOOP} or begun in {within} or where == 0 and (begun in {ends} or begun % {logged.every} == 0))"
        " and self.InfoLog('TP mark {0} {1} {2}'.format(where, self.ExecutedInstructions, begun))"
    )
