"""How long work reports itself, without the workers knowing about terminals.

Anything that may take longer than two seconds accepts a `Progress` and opens one task a stage; the command line passes
one that draws bars with the time left, a library user passes nothing and gets silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[float], None]


class Progress(Protocol):
    """Where stages of long work announce themselves."""

    def task(self, description: str, total: float | None, unit: str = "") -> AbstractContextManager[Advance]:
        """Open one stage of ``total`` units (None: unknown); the returned function advances it by a number of units."""


class Silent:
    """A `Progress` that shows nothing."""

    @contextmanager
    def task(self, description: str, total: float | None, unit: str = "") -> Iterator[Advance]:
        yield lambda amount: None


SILENT = Silent()
