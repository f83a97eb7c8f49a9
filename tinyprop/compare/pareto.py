"""Which configurations nobody beats at both accuracy and cost."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float] | None], *, higher_is_better: bool = True) -> list[bool]:
    """Whether each ``(cost, score)`` is on the front: no other costs no more and scores no worse, one of both truly.

    Points that are equal are on the front together; those are whose first nine digits are, since further ones of a mean
    over seeds are the rounding of its sum. None, a configuration without the cost, is not on it.
    """
    sign = 1 if higher_is_better else -1
    known = [None if point is None else (_rounded(point[0]), _rounded(point[1])) for point in points]
    return [point is not None and not any(_dominates(other, point, sign) for other in known) for point in known]


def _rounded(value: float) -> float:
    return float(f"{value:.9g}")


def _dominates(other: tuple[float, float] | None, point: tuple[float, float], sign: int) -> bool:
    if other is None or other == point:
        return False
    return other[0] <= point[0] and sign * other[1] >= sign * point[1]
