"""What a selection does: the ways of c/kernels/select.c, in expected numbers of passes, insertions and comparisons."""

from __future__ import annotations

import math
from dataclasses import dataclass

_FEW, _SAMPLE, _MARGIN = 8, 32, 5
"""``FEW``, ``SAMPLE`` and ``MARGIN`` of c/kernels/select.c."""
_UNROLLED = 4
"""Turns that compilers make one of in its loops."""
_ROUNDING = 1e-9
"""By which a count that was a share may be too small."""

_UP_TO_A_TIE = 0.5
"""Share of the numbers up to the first equal of the smallest kept that is not."""


@dataclass
class Ranking:
    """Expected work of ranking one gradient of n numbers.

    Attributes:
        copied: indices written where everything is kept.
        lists, scanned, inserted, shifted, sorted: lists of the largest; numbers looked at, put in, moved by putting in
            and moved by sorting.
        collected, passed: numbers looked at for a bound, and those above it.
        quickselects, partitioned: searches for the k-th largest, and the numbers that their partitions look at.
        thresholds, compared, nonzero: rankings of everything, numbers that they look at, and of these the nonzero.
        sifted: zeros among the numbers, where some of them are kept.
        searched: where some of several equals are kept, such as zeros: numbers up to the first that is not.
        walked_positions, walked_channels: by which these are looked through; of a convolution, in either order.
        rests: numbers of each position behind the last four, which are looked at one by one.
    """

    copied: float = 0.0
    lists: float = 0.0
    scanned: float = 0.0
    inserted: float = 0.0
    shifted: float = 0.0
    sorted: float = 0.0
    collected: float = 0.0
    passed: float = 0.0
    quickselects: float = 0.0
    partitioned: float = 0.0
    thresholds: float = 0.0
    compared: float = 0.0
    nonzero: float = 0.0
    sifted: float = 0.0
    searched: float = 0.0
    walked_positions: float = 0.0
    walked_channels: float = 0.0
    rests: float = 0.0


def route(n: float, k: float, nonzero: float, *, alike: float = 1.0) -> str:
    """How the k largest of n are found: ``copy``, by a ``list``, by a ``bound`` that a sample suggests, or ``all``.

    Where some are alike it is ``all``, though a bound now and then parts them.
    """
    if k >= n:
        return "copy"
    if k <= _FEW:
        return "list" if k <= nonzero * (1 + _ROUNDING) else "all"
    return "bound" if alike == 1 and _tries_bound(n, k) and _is_good(_passing(n, k, nonzero), n, k) else "all"


def rank(n: float, k: float, nonzero: float, columns: float, *, alike: float = 1.0) -> Ranking:
    """The work of keeping the k largest of n.

    Args:
        nonzero: numbers of the n that are not zero.
        columns: channels that are looked through one after the other.
        alike: how many have the same value, on average over the values.
    """
    parted = 1 - 1 / alike  # chance that of some that are alike only a part is among the k largest
    left = 1.0  # chance that it comes to ranking everything
    work, way = Ranking(), route(n, k, nonzero, alike=alike)
    columns = 1 if columns == n else columns
    if way == "copy":
        work.copied = n
        return work
    if k <= _FEW:
        _list(work, n, k, nonzero, columns)
        work.sorted += k * max(0.0, k - 1) / 4
    elif _tries_bound(n, k):
        step = int(n) // _SAMPLE | 1
        _list(work, n / step, k // step + _MARGIN, nonzero / step, 1)
        work.collected = n
        passed = _passing(n, k, nonzero)
        if _is_good(passed, n, k):
            work.passed = passed
            _quickselect(work, passed, k)
            left = parted  # as many as are wanted exceed the bound's threshold, unless it parts some that are alike
    if way == "all":
        work.thresholds = left
        work.compared = n * left
        work.nonzero = nonzero * left
        work.walked_positions = (n / columns if columns > 1 else 1) * left
        work.rests = work.walked_positions * ((columns if columns > 1 else n) % _UNROLLED)
        searched = 0.0
        if nonzero > k:
            _quickselect(work, nonzero, k, left)
            searched = _UP_TO_A_TIE * parted
        else:
            work.sifted = n - nonzero
            searched = (k - nonzero) / (n - nonzero)
        work.searched = n * searched
        work.walked_channels = columns * searched
    return work


def _tries_bound(n: float, k: float) -> bool:
    return n >= 2 * _SAMPLE and _FEW < k <= n / 4


def _is_good(passed: float, n: float, k: float) -> bool:
    """Whether a bound that so many exceed leaves enough of them, and not too many."""
    return k <= passed <= n / 2


def _passing(n: float, k: float, nonzero: float) -> float:
    """How many exceed the bound that a sample suggests."""
    step = int(n) // _SAMPLE | 1
    return min(nonzero, n * (k // step + _MARGIN) / (n / step + 1))


def _list(work: Ranking, n: float, k: float, nonzero: float, columns: float) -> None:
    """A list of the k largest of n that come in any order: the i-th of them is put in with a chance of k/i."""
    entering = min(k, nonzero)
    inserted = entering * (1 + math.log(max(1.0, nonzero / max(entering, 1.0))))
    work.lists += columns
    work.scanned += n
    work.inserted += inserted
    work.shifted += inserted * max(0.0, entering - 1) / 2


def _quickselect(work: Ranking, n: float, k: float, times: float = 1.0) -> None:
    """Hoare's: 2 n (1 + H) compares on average, H the entropy of k/n in nats (Knuth, 1971, Mathematical analysis of
    algorithms)."""
    share = min(max(k / n, 1e-9), 1 - 1e-9)
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    work.quickselects += times
    work.partitioned += times * n * (1 + entropy)
