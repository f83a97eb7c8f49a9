"""Numbers as C writes them, so that every bit is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLUMNS = 120
_INDENT = "    "


def float_text(value: float) -> str:
    """The nearest float32 as a constant, hexadecimal unless it is zero: ``0x1.8p-2f``."""
    mantissa, _, exponent = float(np.float32(value)).hex().partition("p")
    if value == 0:
        return "-0.0f" if mantissa.startswith("-") else "0.0f"
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}f"


def floats(values: NDArray[np.float32]) -> str:
    """The lines between an array's braces."""
    return _filled(float_text(value) for value in values.tolist())


def words(values: NDArray[Any]) -> str:
    """The same of uint32, hexadecimal."""
    return _filled(f"{value:#010x}u" for value in values.tolist())


def integers(values: NDArray[Any]) -> str:
    """The same of unsigned integers, decimal."""
    return _filled(f"{value}u" for value in values.tolist())


def rows(values: NDArray[np.float32]) -> str:
    """The lines between the braces of an array of arrays."""
    return "\n".join(f"{_INDENT}{{\n{_indented(floats(row))}\n{_INDENT}}}," for row in values)


def _filled(items: Iterable[str]) -> str:
    lines: list[str] = []
    line = ""
    for item in items:
        longer = f"{line} {item}," if line else f"{_INDENT}{item},"
        if len(longer) > _COLUMNS - len(_INDENT):
            lines.append(line)
            longer = f"{_INDENT}{item},"
        line = longer
    return "\n".join([*lines, line])


def _indented(text: str) -> str:
    return "\n".join(_INDENT + line for line in text.splitlines())
