"""Numbers with their units, short enough for tables."""

from __future__ import annotations


def scaled(number: float) -> str:
    """Three digits and a prefix: ``12.3 M``."""
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= scale:
            return f"{significant(number / scale)} {prefix}"
    return f"{number:.0f}"


def significant(number: float) -> str:
    """At least three digits, never an exponent: ``0.0123``, ``12,345``."""
    if number >= 99.95 or number == 0:
        return f"{number:,.0f}"
    return f"{number:#.3g}" if number >= 1e-4 else f"{number:.7f}"


def kilobytes(size: float) -> str:
    """Bytes in KB of 1024."""
    return f"{size / 1024:,.1f} KB"


def times(factor: float) -> str:
    """How many times as fast: ``2.31×``."""
    return f"{factor:,.0f}×" if factor >= 100 else f"{factor:.1f}×" if factor >= 10 else f"{factor:.2f}×"


def energy(microjoules: float) -> str:
    """An energy in the unit that suits it."""
    for scale, unit in ((1e6, "J"), (1e3, "mJ")):
        if microjoules >= scale:
            return f"{significant(microjoules / scale)} {unit}"
    return f"{significant(microjoules)} µJ"


def time(milliseconds: float) -> str:
    """A time in the unit that suits it."""
    if milliseconds >= 1e3:
        return f"{significant(milliseconds / 1e3)} s"
    return f"{significant(milliseconds)} ms" if milliseconds >= 0.1 else f"{significant(milliseconds * 1e3)} µs"
