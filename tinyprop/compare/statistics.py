"""Means with intervals, paired differences with tests, ratios of means: few runs, told honestly.

Intervals are Student's t intervals. They take the runs' values as normally distributed, which nobody can check with
five seeds; beside the t test of a paired difference stands therefore an exact permutation test, which does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

LEVEL = 0.95
"""Coverage of every interval unless another is asked for."""
_ENUMERATED = 16
"""Pairs up to which all 2^n signs are tried; with more, Wilcoxon's signed-rank test is exact enough and quick."""
_ROUNDING = 1e-12
"""Relative differences under this are rounding: equal runs have no spread."""


@dataclass(frozen=True)
class Mean:
    """A mean over runs.

    Attributes:
        sd: standard deviation of the sample (n − 1), None of a single run.
        low, high: ends of the interval, None of a single run.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float | None:
        """What stands behind ±."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference:
    """A mean of differences within pairs.

    Attributes:
        seeds: those of the pairs.
        mean: None without a pair; ``low`` and ``high`` are None with fewer than two.
        p_t: of the paired t test, two-sided, that the mean is 0.
        p_exact: of the exact permutation test of signs (up to 16 pairs; beyond, Wilcoxon's signed-rank test). With n
            pairs it cannot fall below 2^(1 − n): 0.0625 with five.
        p_holm: ``p_t`` after Holm's correction over the table that the difference stands in.
    """

    seeds: tuple[int, ...]
    mean: float | None
    low: float | None = None
    high: float | None = None
    p_t: float | None = None
    p_exact: float | None = None
    p_holm: float | None = None

    @property
    def n(self) -> int:
        """How many pairs."""
        return len(self.seeds)


@dataclass(frozen=True)
class Ratio:
    """A ratio of two means.

    Attributes:
        low, high: ends of the interval; None where the denominator cannot be told from 0, or of a single pair.
    """

    n: int
    ratio: float
    low: float | None
    high: float | None


def mean_with_interval(values: Sequence[float], level: float = LEVEL) -> Mean:
    """The mean of runs with different seeds, with Student's t interval of n − 1 degrees of freedom.

    Raises:
        ValueError: there are no values.
    """
    sample = np.asarray(values, dtype=np.float64)
    if not sample.size:
        raise ValueError("a mean needs a value")
    mean = float(sample.mean())
    if sample.size == 1:
        return Mean(1, mean, None, None, None)
    half = _critical(sample.size - 1, level) * _standard_error(sample)
    return Mean(sample.size, mean, float(sample.std(ddof=1)), mean - half, mean + half)


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float], level: float = LEVEL) -> Difference:
    """Ours minus theirs, seed by seed, over the seeds that both have."""
    seeds = tuple(sorted(ours.keys() & theirs.keys()))
    if not seeds:
        return Difference(seeds, None)
    first, second = (np.array([values[seed] for seed in seeds], dtype=np.float64) for values in (ours, theirs))
    differences = first - second
    differences[np.abs(differences) <= _ROUNDING * np.maximum(np.abs(first), np.abs(second))] = 0.0
    mean = float(differences.mean())
    if len(seeds) == 1:
        return Difference(seeds, mean)
    error = _standard_error(differences)
    half = _critical(len(seeds) - 1, level) * error
    return Difference(
        seeds, mean, mean - half, mean + half, p_t=_p_of_t(mean, error, len(seeds)), p_exact=_p_exact(differences)
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction over a family of tests (Scandinavian Journal of Statistics 6, 1979).

    None stands for a test that could not be made; it counts for nothing and stays None.
    """
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[index] = largest
    return corrected


def ratio_of_means(
    numerator: Mapping[int, float], denominator: Mapping[int, float], level: float = LEVEL
) -> Ratio | None:
    """Mean over mean of paired runs, with Fieller's interval; None without a pair.

    How many times as fast: the baseline's time as numerator, ours as denominator. Fieller's interval (Journal of the
    Royal Statistical Society B 16, 1954) holds every ratio that a t test at this level does not refuse.

    Raises:
        ZeroDivisionError: the denominator's mean is 0.
    """
    seeds = sorted(numerator.keys() & denominator.keys())
    if not seeds:
        return None
    above = np.array([numerator[seed] for seed in seeds], dtype=np.float64)
    below = np.array([denominator[seed] for seed in seeds], dtype=np.float64)
    if below.mean() == 0:
        raise ZeroDivisionError("the denominator's mean is 0")
    ratio = float(above.mean() / below.mean())
    if len(seeds) == 1:
        return Ratio(1, ratio, None, None)
    low, high = _fieller(above, below, _critical(len(seeds) - 1, level) ** 2 / len(seeds))
    return Ratio(len(seeds), ratio, low, high)


def reciprocal(mean: Mean) -> Ratio:
    """1 over a mean: how many times less work than dense a ``backward_ratio`` is.

    The ends of the interval are those of the mean, turned over; that is Fieller's interval with a constant numerator.

    Raises:
        ZeroDivisionError: the mean is 0.
    """
    bounded = mean.low is not None and mean.high is not None and mean.low * mean.high > 0
    if not bounded or mean.low is None or mean.high is None:
        return Ratio(mean.n, 1 / mean.mean, None, None)
    return Ratio(mean.n, 1 / mean.mean, 1 / mean.high, 1 / mean.low)


def _fieller(
    above: NDArray[np.float64], below: NDArray[np.float64], scale: float
) -> tuple[float, float] | tuple[None, None]:
    """The ratios ρ for which (mean(above) − ρ·mean(below))² ≤ scale · var(above − ρ·below): roots of a quadratic."""
    covariance = np.cov(above, below)
    a = float(below.mean() ** 2 - scale * covariance[1, 1])
    b = float(above.mean() * below.mean() - scale * covariance[0, 1])
    c = float(above.mean() ** 2 - scale * covariance[0, 0])
    if a <= 0:
        return None, None
    root = math.sqrt(max(0.0, b * b - a * c))
    return (b - root) / a, (b + root) / a


def _critical(degrees: int, level: float) -> float:
    return float(special.stdtrit(degrees, (1 + level) / 2))


def _standard_error(sample: NDArray[np.float64]) -> float:
    if np.ptp(sample) <= _ROUNDING * np.abs(sample).max():
        return 0.0
    return float(sample.std(ddof=1) / math.sqrt(sample.size))


def _p_of_t(mean: float, error: float, n: int) -> float:
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * special.stdtr(n - 1, -abs(mean) / error))


def _p_exact(differences: NDArray[np.float64]) -> float:
    if not differences.any():
        return 1.0
    if differences.size > _ENUMERATED:
        from scipy.stats import wilcoxon  # a second that few comparisons need

        return float(wilcoxon(differences).pvalue)
    signs = 1 - 2 * ((np.arange(2**differences.size)[:, None] >> np.arange(differences.size)) & 1)
    sums = np.abs(signs @ differences)
    observed = abs(differences.sum())
    return float((sums >= observed * (1 - 1e-9)).mean())  # equal sums differ by rounding
