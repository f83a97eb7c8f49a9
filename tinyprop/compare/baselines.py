"""What a policy must beat: the strongest that a fixed ratio reaches for no more cost.

Adaptive policies end up at a cost of their own, between the ratios that were tried. Between two fixed ratios the
baseline is the straight line. That is no assumption on how accuracy follows the ratio: whoever draws one of the two
by lot, once a training, has exactly that cost and that accuracy on average. A fixed ratio that costs less and scores
better than the line is the baseline instead, and so is one with the output layer in the other state, even where the
cheapest of those costs more. Whichever is best on average is the one to beat; that it is chosen on the same runs makes
it look slightly better than it is, never worse.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tinyprop.compare.families import Group
from tinyprop.compare.quantities import Quantity

FIXED = ("static", "meprop")
"""Policies whose ratio is fixed."""
OUTPUTS = ("sparse", "dense")


@dataclass(frozen=True)
class Baseline:
    """A score to compare with, seed by seed.

    Attributes:
        parts: labels of the configurations that it is made of, and the share of each.
        cost: its mean cost.
        scores: by seed.
        costs_more: whether no fixed ratio with the output layer in this state is as cheap: the cheapest stands here.
    """

    parts: tuple[tuple[str, float], ...]
    cost: float
    scores: Mapping[int, float]
    costs_more: bool = False

    @property
    def label(self) -> str:
        """Its parts, with their shares where there are two."""
        return " + ".join(label if share == 1 else f"{round(100 * share)} % {label}" for label, share in self.parts)

    def mean_over(self, seeds: Collection[int]) -> float:
        """The mean score over those of these seeds that it has."""
        return float(np.mean([score for seed, score in self.scores.items() if seed in seeds]))


def strongest_fixed(
    group: Group, groups: Sequence[Group], score: Quantity, cost: Quantity
) -> tuple[Baseline | None, list[str]]:
    """The strongest fixed ratio for the cost of ``group``, and of which states of the output layer there is none.

    Args:
        groups: the family's configurations.
        cost: at equal amounts of what; of each, the mean over its seeds counts.
    """
    lines = {output: [other for other in groups if _is_fixed(other, output)] for output in OUTPUTS}
    absent = [output for output, line in lines.items() if not _points(line, score, cost)]
    dense = [other for other in groups if other.name == "dense"]
    return strongest_of(group, [[*line, *dense] for line in lines.values()], score, cost), absent


def strongest_of(group: Group, lines: Iterable[Sequence[Group]], score: Quantity, cost: Quantity) -> Baseline | None:
    """The strongest for the cost of ``group`` that configurations reach, or any two neighbours of a line together.

    Args:
        lines: configurations between which there is a straight line, dense backpropagation with each.
    """
    spent = _mean(group.values(cost))
    if spent is None:
        return None
    seeds = group.values(score).keys()  # a baseline of other seeds would not be paired with anything
    usable: list[Baseline] = []
    for line in lines:
        points = [each for each in _points(line, score, cost) if each.scores.keys() & seeds]
        affordable = _at_most(points, spent)
        cheapest = [replace(each, costs_more=True) for each in points[:1] if each.label != "dense"]
        usable += [each for each in affordable if each.scores.keys() & seeds] or cheapest
    sign = 1 if score.higher_is_better else -1
    return max(usable, key=lambda each: sign * each.mean_over(seeds), default=None)


def _points(line: Sequence[Group], score: Quantity, cost: Quantity) -> list[Baseline]:
    """The configurations of a line that have scores and costs, cheapest first."""
    found = []
    for group in line:
        spent, scores = _mean(group.values(cost)), group.values(score)
        if spent is not None and scores:
            found.append(Baseline(((group.label, 1.0),), spent, scores))
    return sorted(found, key=lambda point: point.cost)


def _at_most(points: Sequence[Baseline], spent: float) -> list[Baseline]:
    """Every point that costs no more, and the one on the line between the neighbours of ``spent``."""
    found = [point for point in points if point.cost <= spent]
    for below, above in pairwise(points):
        if below.cost <= spent < above.cost:
            share = (spent - below.cost) / (above.cost - below.cost)
            seeds = below.scores.keys() & above.scores.keys()
            if share > 0 and seeds:
                scores = {seed: (1 - share) * below.scores[seed] + share * above.scores[seed] for seed in seeds}
                found.append(Baseline(((below.label, 1 - share), (above.label, share)), spent, scores))
    return found


def _is_fixed(group: Group, output: str) -> bool:
    return group.name in FIXED and (group.output == output or group.single_output)


def _mean(values: Mapping[int, float]) -> float | None:
    return float(np.mean(list(values.values()))) if values else None
