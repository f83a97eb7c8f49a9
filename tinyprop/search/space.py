"""Where a search looks: one dimension a key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import Trial

Value = float | int | str
_DIGITS = 4
"""Significant digits of drawn fractions: what a person can read, and more than any result depends on."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        integer: whole numbers only.
        log: drawn evenly by order of magnitude.
        step: only ``low`` and every so much above it.
        at_least: the key whose value this one is never drawn below.
    """

    key: str
    low: float
    high: float
    integer: bool = False
    log: bool = False
    step: float | None = None
    at_least: str | None = None

    def corners(self) -> tuple[Value, Value]:
        """The least and the greatest value."""
        return (int(self.low), int(self.high)) if self.integer else (float(self.low), float(self.high))

    def suggest(self, trial: Trial, values: Mapping[str, Value]) -> Value:
        """A value for a trial, which has ``values`` for the keys before this one."""
        low = self.low
        if self.at_least is not None:
            least, step = float(values[self.at_least]), self.step or (1.0 if self.integer else None)
            if least > low:
                low = least if step is None else low + math.ceil((least - low) / step) * step
        if self.integer:
            whole: int = trial.suggest_int(self.key, int(low), int(self.high), step=int(self.step or 1), log=self.log)
            return whole
        drawn: float = trial.suggest_float(self.key, low, self.high, step=self.step, log=self.log)
        return min(max(float(f"{drawn:.{_DIGITS}g}"), low), self.high)

    def as_text(self) -> str:
        """For people, and for the search's identity."""
        kind = " ".join(filter(None, ("log" if self.log else "", "int" if self.integer else "")))
        step = "" if self.step is None else f" in steps of {self.step:g}"
        least = "" if self.at_least is None else f", at least {self.at_least}"
        return f"{self.key}: {f'{kind} ' if kind else ''}{self.low:g} to {self.high:g}{step}{least}"

    def problem(self) -> str | None:
        """Why nothing can be drawn from it, or None."""
        if self.low > self.high:
            return f"{self.key}: the range from {self.low:g} to {self.high:g} is empty; give the smaller bound first"
        if self.log and self.low <= 0:
            return f"{self.key}: a logarithmic range begins above 0, not at {self.low:g}"
        if self.integer and not (float(self.low).is_integer() and float(self.high).is_integer()):
            return f"{self.key}: holds whole numbers, so its range has whole bounds, not {self.low:g} and {self.high:g}"
        return None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several values, written as an override has them."""

    key: str
    options: tuple[str, ...]

    def corners(self) -> tuple[Value, Value]:
        """The first and the last option."""
        return self.options[0], self.options[-1]

    def suggest(self, trial: Trial, values: Mapping[str, Value]) -> Value:
        """One of the options for a trial."""
        chosen: str = trial.suggest_categorical(self.key, self.options)
        return chosen

    def as_text(self) -> str:
        """For people, and for the search's identity."""
        return f"{self.key}: {', '.join(self.options)}"

    def problem(self) -> str | None:
        """Why nothing can be drawn from it, or None."""
        twice = len(set(self.options)) < len(self.options)
        return f"{self.key}={','.join(self.options)}: an option is named twice" if twice else None


Dimension = Interval | Choice


def as_override(key: str, value: Value) -> str:
    """A drawn value as the command line takes it."""
    return f"{key}={value}"
