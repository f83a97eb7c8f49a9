"""Configurations against a reference, seed by seed, with Holm's correction over each table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyprop.compare.answer import Paired, PairedTable
from tinyprop.compare.baselines import FIXED, Baseline, strongest_fixed
from tinyprop.compare.families import Group
from tinyprop.compare.quantities import Quantity
from tinyprop.compare.selection import Selector
from tinyprop.compare.statistics import holm, mean_with_interval, paired_difference


def best_of(groups: Sequence[Group], selector: Selector, score: Quantity) -> Group | None:
    """The configuration that a selector means; of several the one with the best mean, which is hardest to beat."""
    sign = 1 if score.higher_is_better else -1
    matching = [group for group in groups if selector.matches_policy(group.policy) and group.values(score)]
    return max(
        matching, key=lambda group: sign * mean_with_interval(list(group.values(score).values())).mean, default=None
    )


def against(kind: str, groups: Sequence[Group], selector: Selector, score: Quantity, cost: Quantity) -> PairedTable:
    """Every other configuration against the one that a selector means."""
    reference = best_of(groups, selector, score)
    if reference is None:
        return PairedTable(kind, f"against {selector.text}", [], f"There is no finished run with {selector.text} here.")
    several = [group.label for group in groups if selector.matches_policy(group.policy) and group is not reference]
    note = None
    if several:
        note = f"{selector.text} means {len(several) + 1} configurations; {reference.label} is the best of them."
    rows = [
        paired(
            group,
            Baseline(((reference.label, 1.0),), _mean(reference, cost) or 0.0, reference.values(score)),
            reference,
            score,
            cost,
        )
        for group in groups
        if group is not reference
    ]
    return PairedTable(kind, f"against {reference.label}", corrected(rows), note)


def against_strongest(groups: Sequence[Group], score: Quantity, cost: Quantity) -> PairedTable:
    """Every policy whose ratio is not fixed against the strongest fixed ratio for its cost."""
    title = f"against the strongest fixed ratio at equal {cost.title}"
    rows: list[Paired] = []
    absent: list[str] = []
    for group in groups:
        if group.name == "dense" or group.name in FIXED:
            continue
        baseline, absent = strongest_fixed(group, groups, score, cost)
        if baseline is not None:
            rows.append(paired(group, baseline, None, score, cost))
    rows = [replace(row, credited=not absent) for row in rows]
    return PairedTable("strongest", title, corrected(rows), _without(absent))


def _without(absent: Sequence[str]) -> str | None:
    """What to say of states of the output layer that no fixed ratio was trained with."""
    if not absent:
        return None
    if len(absent) > 1:
        return "No static runs here: no static baseline. policy=static policy.sparsify_output=true,false adds both."
    option = {"sparse": "true", "dense": "false"}[absent[0]]
    return (
        f"No static runs with a {absent[0]} output layer here: a baseline is missing, so nothing counts as better. "
        f"policy=static policy.sparsify_output={option} adds it."
    )


def paired(group: Group, baseline: Baseline, reference: Group | None, score: Quantity, cost: Quantity) -> Paired:
    """A configuration against a baseline, seed by seed.

    Args:
        reference: the configuration that the baseline is, where it is one alone.
    """
    ours, theirs = group.values(score), dict(baseline.scores)
    dropped = dict.fromkeys(theirs.keys() - ours.keys(), f"not in {group.label}")
    dropped |= dict.fromkeys(ours.keys() - theirs.keys(), f"not in {baseline.label}")
    for seed in ours.keys() & theirs.keys():
        if reference is not None and _begin_differently(group, reference, seed):
            dropped[seed] = "the two runs began with different weights"
            del theirs[seed]
    spent = _mean(group, cost)
    return Paired(
        group.label,
        baseline.label,
        baseline.parts,
        paired_difference(ours, theirs),
        None if spent is None or not baseline.cost else spent / baseline.cost,
        baseline.costs_more,
        dropped=dict(sorted(dropped.items())),
    )


def _begin_differently(one: Group, other: Group, seed: int) -> bool:
    first, second = (group.runs[seed].result.get("initial_weights") for group in (one, other))
    return first is not None and second is not None and first != second


def corrected(rows: Sequence[Paired]) -> list[Paired]:
    """The rows with Holm's correction over all of them."""
    p_values = holm([row.difference.p_t for row in rows])
    return [replace(row, difference=replace(row.difference, p_holm=p)) for row, p in zip(rows, p_values, strict=True)]


def _mean(group: Group, quantity: Quantity) -> float | None:
    values = list(group.values(quantity).values())
    return mean_with_interval(values).mean if values else None
