"""How long work reports itself, without the workers knowing about terminals.

Anything that may take longer than two seconds accepts a `Progress` and opens one task a stage; the command line passes
one that draws bars with the time left, a library user passes nothing and gets silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

Advance = Callable[[float], None]


class Progress(Protocol):
    """Where stages of long work announce themselves."""

    def task(self, description: str, total: float | None, unit: str = "") -> AbstractContextManager[Advance]:
        """Open one stage of ``total`` units (None: unknown); the returned function advances it by a number of units."""

    def showing(self, view: View) -> AbstractContextManager[None]:
        """Show ``view`` beside the stages while the block runs, where things can be drawn anew; nothing elsewhere."""


class View(Protocol):
    """Something that rich can draw, again and again."""

    def __rich__(self) -> Any: ...


class Silent:
    """A `Progress` that shows nothing."""

    @contextmanager
    def task(self, description: str, total: float | None, unit: str = "") -> Iterator[Advance]:
        yield lambda amount: None

    @contextmanager
    def showing(self, view: View) -> Iterator[None]:
        yield


SILENT = Silent()
