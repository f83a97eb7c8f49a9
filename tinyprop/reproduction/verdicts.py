"""Figures with their intervals, what is claimed of them, and the rule by which that makes a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import special

from tinyprop.compare.statistics import LEVEL, Difference, Mean, Ratio

Verdict = Literal["reproduced", "not reproduced", "undecided", "not testable here"]
Unit = Literal["times", "points", "percent"]

MIN_SEEDS = 5
"""Fewer decide nothing."""

RULE = (
    "A figure's 95 % interval over seeds lies wholly on the claimed side: met. Wholly on the other: missed.",
    "All figures of a claim met: reproduced. One missed: not reproduced. Otherwise undecided.",
    f"Undecided also with fewer than {MIN_SEEDS} seeds, and where all is met but a run of the configuration failed.",
    "No finished runs, generated data, another's clock: not testable here, with the reason.",
)
"""Stated before any number."""


@dataclass(frozen=True)
class Figure:
    """A measured number.

    Attributes:
        low, high: ends of the 95 % interval; None where it is unbounded, or of a single run.
        n: seeds; None of a number that is exact.
        error: standard error of the mean; None where it is not known.
        degrees: of freedom behind it.
    """

    name: str
    unit: Unit
    value: float
    low: float | None
    high: float | None
    n: int | None
    error: float | None = None
    degrees: float | None = None


@dataclass(frozen=True)
class Condition:
    """What is claimed of a figure: that it lies in this range, whose ends belong to it."""

    figure: Figure
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def met(self) -> bool | None:
        """None: the interval has a part on either side."""
        figure = self.figure
        if figure.low is None or figure.high is None:
            return None
        if self.at_least <= figure.low and figure.high <= self.at_most:
            return True
        if figure.high < self.at_least or self.at_most < figure.low:
            return False
        return None


def verdict_of(conditions: Sequence[Condition], *, failed: str | None = None) -> tuple[Verdict, str | None]:
    """The verdict by `RULE`, and its reason where the figures do not tell it.

    Args:
        failed: what failed among the runs; a seed that is left out because it failed must not help a claim.
    """
    seeds = min((each.figure.n for each in conditions if each.figure.n is not None), default=MIN_SEEDS)
    if seeds < MIN_SEEDS:
        return "undecided", f"{seeds} seed{'' if seeds == 1 else 's'} of at least {MIN_SEEDS}"
    met = [each.met for each in conditions]
    if False in met:
        return "not reproduced", None
    if failed is not None:
        return "undecided", failed
    return ("reproduced", None) if all(met) else ("undecided", None)


def of_mean(name: str, unit: Unit, mean: Mean, scale: float = 1.0) -> Figure:
    """A mean over seeds."""
    return _scaled(name, unit, mean.n, mean.mean, mean.low, mean.high, scale)


def of_difference(name: str, difference: Difference, scale: float = 100.0) -> Figure:
    """A paired difference of shares, in points; ``scale=-100`` turns a gain into a loss.

    Raises:
        ValueError: there is no pair.
    """
    if difference.mean is None:
        raise ValueError(f"{name}: no pair")
    return _scaled(name, "points", difference.n, difference.mean, difference.low, difference.high, scale)


def of_ratio(name: str, ratio: Ratio) -> Figure:
    """How many times less."""
    return _scaled(name, "times", ratio.n, ratio.ratio, ratio.low, ratio.high, 1.0)


def exact(name: str, unit: Unit, value: float) -> Figure:
    """A number that no seed changes."""
    return Figure(name, unit, value, value, value, None, 0.0, math.inf)


def average(figures: Sequence[Figure]) -> Figure:
    """The mean of independent figures, with Welch and Satterthwaite's degrees of freedom for its interval.

    Raises:
        ValueError: there are none.
    """
    if not figures:
        raise ValueError("an average needs a figure")
    first, count = figures[0], len(figures)
    value = sum(each.value for each in figures) / count
    seeds = min((each.n for each in figures if each.n is not None), default=None)
    parts = [(each.error / count, each.degrees) for each in figures if each.error is not None and each.degrees]
    if len(parts) < count:
        return Figure(first.name, first.unit, value, None, None, seeds)
    variance = sum(error**2 for error, _ in parts)
    spread = sum(error**4 / degrees for error, degrees in parts)
    degrees = variance**2 / spread if spread else math.inf
    half = _critical(degrees) * math.sqrt(variance)
    return Figure(first.name, first.unit, value, value - half, value + half, seeds, math.sqrt(variance), degrees)


def _scaled(name: str, unit: Unit, n: int, mean: float, low: float | None, high: float | None, scale: float) -> Figure:
    if low is None or high is None:
        return Figure(name, unit, scale * mean, None, None, n)
    ends = sorted((scale * low, scale * high))
    # Half the width stands for ± where the interval is not quite symmetric, as that of a ratio is not.
    error = (ends[1] - ends[0]) / 2 / _critical(n - 1)
    return Figure(name, unit, scale * mean, ends[0], ends[1], n, error, n - 1)


def _critical(degrees: float) -> float:
    tail = (1 + LEVEL) / 2
    return float(special.ndtri(tail) if math.isinf(degrees) else special.stdtrit(degrees, tail))
