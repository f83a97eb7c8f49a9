"""The consoles that all is printed on: as wide as the terminal, 80 columns when piped, colours as rich decides."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console

PIPED_WIDTH = 80


def console(stream: TextIO | None = None) -> Console:
    """A console on ``stream`` (standard output when None).

    A pipe or a file gets 80 columns and no control codes whatever the surrounding terminal is; ``NO_COLOR`` and
    ``FORCE_COLOR`` work as rich documents them.
    """
    stream = sys.stdout if stream is None else stream
    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH, highlight=False, emoji=False)


def error_console() -> Console:
    """A console on standard error, for what must not end up in a piped result."""
    return console(sys.stderr)
