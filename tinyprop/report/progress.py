"""Progress of long work on the console: bars with the time left on a terminal, few plain lines otherwise."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import RenderableType
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from tinyprop.progress import Advance, Progress, View
from tinyprop.report.console import console

BAR_DELAY = 1.0
"""Seconds that a stage lasts before its bar appears, so that quick stages do not flicker."""
LINE_DELAY = 2.0
"""Seconds that a stage lasts before its first plain line."""
LINE_INTERVAL = 10.0
"""Seconds between the plain lines of one stage."""
_BAR_INTERVAL = 0.05


@contextmanager
def console_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """Yield a `Progress` that reports on ``stream`` (standard error when None) until the block ends."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield PlainLines(stream)
        return
    # A piped standard output must keep its own destination while the bars are drawn.
    bars = _LateBars(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        _CountColumn(),
        TimeElapsedColumn(),
        _TimeLeftColumn(),
        console=console(stream),
        transient=True,
        refresh_per_second=5,
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )
    try:
        yield _BarProgress(bars)
    finally:
        bars.stop()


class PlainLines:
    """A `Progress` that writes whole lines without control codes, at most one every `LINE_INTERVAL` seconds a stage."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic):
        self._stream = stream
        self._clock = clock

    @contextmanager
    def task(self, description: str, total: float | None, unit: str = "") -> Iterator[Advance]:
        start = self._clock()
        done = 0.0
        next_line = start + LINE_DELAY

        def advance(amount: float) -> None:
            nonlocal done, next_line
            done += amount
            now = self._clock()
            if now < next_line:
                return
            next_line = now + LINE_INTERVAL
            line = _line(description, count(done, total, unit), now - start)
            if total is not None and 0 < done <= total:
                line += f", {duration((total - done) * (now - start) / done)} left"
            self._write(line)

        try:
            yield advance
        except BaseException:
            self._closing_line(description, f"stopped at {count(done, total, unit)}".removesuffix(" at "), start)
            raise
        self._closing_line(description, count(done, None if total is None or done >= total else total, unit), start)

    @contextmanager
    def showing(self, view: View) -> Iterator[None]:
        yield

    def _closing_line(self, description: str, what: str, start: float) -> None:
        seconds = self._clock() - start
        if seconds >= LINE_DELAY:
            self._write(_line(description, what, seconds))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def _line(description: str, what: str, seconds: float) -> str:
    return " ".join(filter(None, (f"{description}:", what, f"after {duration(seconds)}")))


class _BarProgress:
    def __init__(self, bars: _LateBars):
        self._bars = bars

    @contextmanager
    def task(self, description: str, total: float | None, unit: str = "") -> Iterator[Advance]:
        self._bars.start()
        task = self._bars.add_task(description, total=total, unit=unit)
        pending = 0.0
        next_update = 0.0

        def advance(amount: float) -> None:
            nonlocal pending, next_update
            pending += amount
            now = time.monotonic()
            if now >= next_update:  # a tiny network takes thousands of steps a second; a bar needs twenty
                self._bars.advance(task, pending)
                pending, next_update = 0.0, now + _BAR_INTERVAL

        try:
            yield advance
        finally:
            self._bars.remove_task(task)

    @contextmanager
    def showing(self, view: View) -> Iterator[None]:
        self._bars.start()
        self._bars.view = view
        try:
            yield
        finally:
            self._bars.view = None


class _LateBars(Bars):
    """Bars that stay invisible for the first `BAR_DELAY` seconds of their stage, under a view if there is one."""

    view: View | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.view is not None:
            yield self.view
        yield self.make_tasks_table([task for task in self.tasks if (task.elapsed or 0.0) >= BAR_DELAY])


class _CountColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(count(task.completed, task.total, task.fields["unit"]))


class _TimeLeftColumn(ProgressColumn):
    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if left is None else f"{duration(left)} left")


def count(done: float, total: float | None, unit: str) -> str:
    """``done`` of ``total`` units as text, empty where neither says anything; ``B`` is scaled to kB, MB or GB."""
    if total is None and not done:
        return ""
    if unit == "B":
        return _size(done) if total is None else f"{_size(done)} of {_size(total)}"
    text = f"{done:.10g}" if total is None else f"{done:.10g}/{total:.10g}"
    return f"{text} {unit}".rstrip()


def duration(seconds: float) -> str:
    """Seconds as text: ``8 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _size(bytes_: float) -> str:
    for limit, scale, name in ((1e3, 1, "B"), (1e6, 1e3, "kB"), (1e9, 1e6, "MB")):
        if bytes_ < limit:
            return f"{bytes_ / scale:.4g} {name}"
    return f"{bytes_ / 1e9:.2f} GB"
