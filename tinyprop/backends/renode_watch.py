"""Renode while it runs: what it prints, what comes over the serial line, and when to give it up."""

from __future__ import annotations

import queue
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyprop.backends.board import JOB_LOOP
from tinyprop.backends.renode_script import SENTINEL
from tinyprop.errors import TinypropError

_MARK = re.compile(r"\bTP mark (\d+) (\d+)(?: (\d+))?")
_COUNT = re.compile(r"^(?:\([\w-]+\) )?0x([0-9A-Fa-f]{1,16})$")  # of `cpu ExecutedInstructions`, perhaps after a prompt
_ERRORS = ("CPU abort", "Python runtime error")
_START_S = 60.0
"""Seconds without a sign of life that are no hang, however little there is to do: Renode may start from a slow disk."""
_SLOWEST = 3e6
"""Instructions a second of the slowest simulation that is no hang; some hundred million are usual."""
_LAST_LINES = 12
_LOOK_S = 0.05


class RenodeError(TinypropError):
    """Renode did not do what it was told. The message says what is known, and ends in Renode's last lines."""


@dataclass(frozen=True)
class Mark:
    """A logged call of tp_mark.

    Attributes:
        where: its argument.
        executed: instructions before it.
        begun: batches begun by then; a call with 0 begins the next, so after the last it is one more than there are.
    """

    where: int
    executed: int
    begun: int


class Watch:
    """One run from its start to the answer, by its output and by the file that the serial line goes to.

    Args:
        lines: what Renode prints; None is the end of it.
        file: where the serial line goes to; the others are those of `renode_process.run`.
    """

    def __init__(
        self,
        lines: queue.Queue[str | None],
        file: Path,
        answer_bytes: int,
        loops: int,
        slices: list[int],
        time_limit_s: float,
        on_mark: Callable[[Mark], None],
    ):
        self._lines = lines
        self._file = file
        self._answer_bytes = answer_bytes
        self._loops = loops
        self._slices = slices
        self._time_limit_s = time_limit_s
        self._on_mark = on_mark
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._counts = 0
        self._executed = 0
        self._begun = 0
        self._received = 0
        self._start = self._alive = time.monotonic()

    def answer(self) -> bytes:
        """What came over the serial line, once it is complete and everything before it has been logged.

        Raises:
            RenodeError: that will not be.
        """
        while not (self._is_answered() and self._loops <= 0):
            line = self._next_line()
            if line is None:
                missing = "all was logged" if self._is_answered() else "the end of its script"
                raise self._error(f"stopped before {missing}")
            if line:
                self._take(line)
            self._require_life()
        return self._file.read_bytes()

    def _next_line(self) -> str | None:
        """The next line; empty if there is none yet, None if there will be none."""
        try:
            return self._lines.get(timeout=_LOOK_S)
        except queue.Empty:
            return ""

    def _take(self, line: str) -> None:
        if found := _MARK.search(line):
            self._take_mark(int(found[1]), int(found[2]), found[3])
        elif found := _COUNT.search(line):
            self._take_count(int(found[1], 16))
        else:
            self._alive = time.monotonic()
            self._last.append(line)
            if any(error in line for error in _ERRORS):
                raise self._error("gave up")
            if SENTINEL in line and not self._is_answered():
                raise self._error(
                    f"simulated {self._executed:.3g} instructions, which should have been more than enough"
                )

    def _take_mark(self, where: int, executed: int, begun: str | None) -> None:
        self._alive = time.monotonic()
        self._begun = self._begun + (where == 0) if begun is None else int(begun)
        self._loops -= where == JOB_LOOP
        self._on_mark(Mark(where, executed, self._begun))

    def _take_count(self, executed: int) -> None:
        self._counts += 1
        if executed > self._executed:
            self._alive = time.monotonic()
        elif not self._is_answered():
            raise self._error(f"simulated a program that has stopped after {executed} instructions without an answer")
        self._executed = executed

    def _is_answered(self) -> bool:
        received = self._file.stat().st_size if self._file.exists() else 0
        if received > self._received:
            self._received, self._alive = received, time.monotonic()
        return received >= self._answer_bytes

    def _require_life(self) -> None:
        now = time.monotonic()
        if now - self._start > self._time_limit_s:
            raise self._error(f"was ended after {self._time_limit_s:g} s (backend.time_limit_s)")
        patience = _START_S + self._slices[min(self._counts, len(self._slices) - 1)] / _SLOWEST
        if now - self._alive > patience:
            raise self._error(f"was ended after {patience:.0f} s without a sign of life")

    def _error(self, what: str) -> RenodeError:
        last = "".join(f"\n  {line}" for line in self._last) or " none"
        return RenodeError(f"Renode {what}. Its last lines:{last}")
