"""Policies of our own against the published adaptive one, paired, at equal backward work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinyprop.compare.answer import Paired
from tinyprop.compare.baselines import OUTPUTS, strongest_of
from tinyprop.compare.pairing import corrected, paired
from tinyprop.reproduction.evidence import Evidence

OWN = ("budget",)
"""Policies of ours."""
PUBLISHED = "adaptive"


@dataclass(frozen=True)
class IdeaTable:
    """One study's configurations of our policies, each against the strongest adaptive one for no more backward work."""

    study: str
    rows: tuple[Paired, ...]


def ideas(evidence: Mapping[str, Evidence]) -> list[IdeaTable]:
    """Every study that has runs of our policies and of the adaptive one.

    Between two adaptive configurations, and between one and dense training, the baseline is the straight line, as in
    `tinyprop.compare.baselines`; lines with the output layer sparse and dense are both tried.
    """
    found = []
    for name, each in evidence.items():
        cost = each.costs.get("backward_ratio")
        own = [group for group in each.groups if group.name in OWN and group.runs]
        adaptive = [group for group in each.groups if group.name == PUBLISHED and group.runs]
        if cost is None or not own or not adaptive:
            continue
        dense = [] if each.dense is None else [each.dense]
        lines = [[group for group in adaptive if group.output == output] + dense for output in OUTPUTS]
        rows = []
        for group in own:
            baseline = strongest_of(group, lines, each.score, cost)
            if baseline is not None:
                rows.append(paired(group, baseline, None, each.score, cost))
        found.append(IdeaTable(name, tuple(corrected(rows))))
    return found
