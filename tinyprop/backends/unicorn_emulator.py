"""A Cortex-M core in Unicorn that runs a firmware image at full speed, or counts what it executes.

Unicorn translates blocks of code: straight runs that end where a branch may be. Counting adds a call into Python for
each block executed, which says how often each went over into which other; what is in a block is looked at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import unicorn
from unicorn import arm_const

from tinyprop.backends.board import FLASH, FLASH_BYTES, JOB_LOOP, SRAM, SRAM_BYTES
from tinyprop.engine.image import Image
from tinyprop.errors import TinypropError

_SYSTEM_CONTROL = 0xE000E000
"""Registers that start-up code writes to switch the floating-point unit on; here it is on, and they are memory."""
_PAGE = 4096
_LOOK_S = 0.1
"""Between two looks for Ctrl-C, should its signal have reached another thread than the waiting one."""

_MODELS = {
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,  # the same instructions
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}


class BoardError(TinypropError):
    """The program on the board did what would have crashed a real one; says where."""


@dataclass(frozen=True)
class Passage:
    """A block that was executed and what came after it.

    Attributes:
        start, size: addresses of its code.
        following: where execution went on; None at the end.
        times: how often.
    """

    start: int
    size: int
    following: int | None
    times: int


class Emulator:
    """One core with flash, SRAM and whatever else is mapped."""

    def __init__(self, image: Image, core: str):
        # Without UC_MODE_MCLASS, which would silently make every core an M33.
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(_MODELS[core])
        self._mark = image.symbols["tp_mark"]
        self._functions = image.functions
        for address, size in ((FLASH, FLASH_BYTES), (SRAM, SRAM_BYTES), (_SYSTEM_CONTROL, _PAGE)):
            self._uc.mem_map(address, size)
        for segment in image.segments:
            self._uc.mem_write(segment.address, segment.content)

    def map(self, address: int, size: int) -> None:
        """Have at least ``size`` bytes of memory at a page's ``address``, all 0; what was mapped there is gone."""
        pages = max(1, -(-size // _PAGE)) * _PAGE
        for start, end, _ in self._uc.mem_regions():
            if start == address:
                self._uc.mem_unmap(start, end - start + 1)
        self._uc.mem_map(address, pages)

    def write(self, address: int, content: bytes) -> None:
        """Put bytes into memory."""
        self._uc.mem_write(address, content)

    def read(self, address: int, size: int) -> bytes:
        """Bytes in memory."""
        return bytes(self._uc.mem_read(address, size))

    def run(self, entry: int, stack: int, until: int) -> None:
        """Execute from ``entry`` with the stack pointer at ``stack`` until ``until`` is reached, at full speed.

        Raises:
            BoardError: it went astray.
        """
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._start(entry | 1, until)
        if self._uc.reg_read(arm_const.UC_ARM_REG_PC) != until:
            raise BoardError(f"stopped at {self._place()}")

    def count(self, entry: int, stack: int, until: int) -> dict[int, list[Passage]]:
        """The same, counted: what was executed, by what tp_mark was last called with (`JOB_LOOP` before).

        An instruction whose condition does not hold counts too: it takes its turn and does nothing.

        Raises:
            BoardError: it went astray.
        """
        blocks = _Blocks(self._uc, self._mark)
        self._uc.ctl_flush_tb()  # calls are part of the translation
        hook = self._uc.hook_add(unicorn.UC_HOOK_BLOCK, blocks.enter)
        try:
            self.run(entry, stack, until)
        finally:
            self._uc.hook_del(hook)
            self._uc.ctl_flush_tb()
        return blocks.passages()

    def _start(self, entry: int, until: int) -> None:
        """In a thread of its own, so that Ctrl-C ends it at once; a call into Unicorn would keep it waiting."""
        errors: list[BaseException] = []
        # Not the thread's own word: after a join that Ctrl-C interrupted, Python takes a running thread for ended.
        ended = threading.Event()

        def execute() -> None:
            try:
                self._uc.emu_start(entry, until)
            except BaseException as error:
                errors.append(error)
            finally:
                ended.set()

        threading.Thread(target=execute, name="unicorn", daemon=True).start()
        try:
            while not ended.wait(_LOOK_S):
                pass
        finally:
            while not ended.is_set():
                self._uc.emu_stop()
                ended.wait(0.01)
        for error in errors:
            if isinstance(error, unicorn.UcError):
                raise BoardError(f"{error} at {self._place()}") from None
            raise error

    def _place(self) -> str:
        address = self._uc.reg_read(arm_const.UC_ARM_REG_PC)
        name = next((function.name for function in self._functions if function.start <= address < function.end), "?")
        return f"{address:#010x} ({name})"


class _Blocks:
    """Counts of pairs of blocks. `enter` is called a million times a second and does as little as it can."""

    def __init__(self, uc: unicorn.Uc, mark: int):
        self._uc = uc
        self._mark = mark
        self._sizes: dict[int, int] = {}
        self._by_mark: dict[int, dict[int, int]] = {}
        self._pairs = self._by_mark.setdefault(JOB_LOOP, {})
        self._previous = -1

    def enter(self, uc: unicorn.Uc, address: int, size: int, data: object) -> None:
        pair = self._previous << 32 | address
        pairs = self._pairs
        if pair in pairs:
            pairs[pair] += 1
        else:
            pairs[pair] = 1
            self._sizes[address] = size
        self._previous = address
        if address == self._mark:
            self._pairs = self._by_mark.setdefault(uc.reg_read(arm_const.UC_ARM_REG_R0), {})

    def passages(self) -> dict[int, list[Passage]]:
        """What was counted, by mark."""
        return {mark: list(self._passages(pairs)) for mark, pairs in self._by_mark.items()}

    def _passages(self, pairs: dict[int, int]) -> Iterator[Passage]:
        for pair, times in pairs.items():
            start = pair >> 32
            if start >= 0:
                yield Passage(start, self._sizes[start], pair & 0xFFFFFFFF, times)
        if pairs is self._pairs and self._previous >= 0:
            yield Passage(self._previous, self._sizes[self._previous], None, 1)
