"""Which configurations nobody beats at both accuracy and cost."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float] | None], *, higher_is_better: bool = True) -> list[bool]:
    """Whether each ``(cost, score)`` is on the front: no other costs no more and scores no worse, one of both truly.

    Points that are equal are on the front together. None, a configuration without the cost, is not on it.
    """
    sign = 1 if higher_is_better else -1
    return [point is not None and not any(_dominates(other, point, sign) for other in points) for point in points]


def _dominates(other: tuple[float, float] | None, point: tuple[float, float], sign: int) -> bool:
    if other is None or other == point:
        return False
    return other[0] <= point[0] and sign * other[1] >= sign * point[1]
