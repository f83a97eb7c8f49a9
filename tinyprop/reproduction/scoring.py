"""Claims held against evidence: the figures, and the verdict that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyprop.compare.families import Group
from tinyprop.compare.statistics import mean_with_interval, paired_difference, ratio_of_means
from tinyprop.reproduction import claims as kinds
from tinyprop.reproduction.claims import Claim
from tinyprop.reproduction.evidence import Evidence
from tinyprop.reproduction.studies import DATA_SETS
from tinyprop.reproduction.verdicts import (
    Condition,
    Figure,
    Verdict,
    average,
    exact,
    of_difference,
    of_mean,
    of_ratio,
    verdict_of,
)

COUNTS = {
    "backward_ratio": "backward MACs",
    "step_ratio": "whole-step MACs",
    "cycles": "modelled cycles",
}
"""What is counted, by the key of its quantity: MACs of weight and input gradients; of forward, backward and update;
cycles of the whole step with its update, modelled on a Cortex-M4F."""
AVERAGE = "average"
"""Where a claim is scored that is of the average over data sets."""


@dataclass(frozen=True)
class Score:
    """A claim in one place, by one count.

    Attributes:
        where: a study's name, or ``average``.
        configuration: labels of what is scored, and of what it is held against.
        counted: what was counted; None where nothing needed counting.
        conditions: the figures, and what is claimed of them.
        reason: of the verdict, where the figures do not tell it.
    """

    claim: Claim
    where: str
    configuration: str | None
    counted: str | None
    conditions: tuple[Condition, ...]
    verdict: Verdict
    reason: str | None = None


def score(claims: Sequence[Claim], evidence: Mapping[str, Evidence]) -> list[Score]:
    """Every claim in each of its studies that there is evidence of, and on average where all data sets are there.

    Args:
        evidence: by name of the study; a study without finished runs makes its claims not testable.
    """
    found: list[Score] = []
    for claim in claims:
        own = [row for name in claim.studies if name in evidence for row in _scored(claim, evidence[name])]
        found += own
        if isinstance(claim, kinds.CheaperThanDense) and claim.averaged and _all_data_sets(evidence):
            found += _averages(claim, own)
    return found


def _scored(claim: Claim, evidence: Evidence) -> Iterator[Score]:
    reason = _untestable(claim, evidence)
    if reason is not None:
        yield Score(claim, evidence.study.name, None, None, (), "not testable here", reason)
    elif isinstance(claim, kinds.CheaperThanDense):
        yield from _against_dense(claim, evidence)
    elif isinstance(claim, kinds.CheaperThanStatic):
        yield from _against_static(claim, evidence)
    elif isinstance(claim, kinds.AccuracyWithin):
        yield from _accuracy(claim, evidence)
    elif isinstance(claim, kinds.LessBackwardWork):
        yield from _backward_work(claim, evidence)
    elif isinstance(claim, kinds.StepBound):
        yield _bound(claim, evidence)


def _untestable(claim: Claim, evidence: Evidence) -> str | None:
    if isinstance(claim, kinds.NotTestable):
        return claim.reason
    if evidence.data is None:
        return f"no finished run of {evidence.study.experiment}"
    if evidence.data.name != evidence.study.dataset:
        return f"its runs are on {evidence.data.name}, and the claim is about {evidence.study.dataset}"
    if evidence.data.synthetic and not isinstance(claim, kinds.StepBound):
        return "generated data says nothing of a published accuracy"
    for selectors in _needed(claim):
        if not evidence.matching(selectors):
            meant = " or ".join(evidence.study.authors if selectors == ("authors",) else selectors)
            return f"no finished run with {meant}"
    return None


def _needed(claim: Claim) -> list[tuple[str, ...]]:
    if isinstance(claim, kinds.CheaperThanDense):
        return [("policy=dense",), (claim.choose,)]
    if isinstance(claim, kinds.CheaperThanStatic):
        return [("policy=dense",), (claim.choose,), (_static(claim),)]
    if isinstance(claim, kinds.AccuracyWithin | kinds.LessBackwardWork):
        return [claim.selectors]
    return []


def _static(claim: kinds.CheaperThanStatic) -> str:
    return f"policy=static,policy.ratio={claim.ratio}"


def _against_dense(claim: kinds.CheaperThanDense, evidence: Evidence) -> Iterator[Score]:
    dense = evidence.dense
    assert dense is not None
    ours = _chosen(evidence, dense, claim.choose, times=claim.times, points=claim.points)
    loss = Condition(_gain("accuracy lost", evidence, dense, ours), at_most=claim.points)
    yield from _by_count(claim, evidence, ours, dense, claim.times, loss, ours.label)


def _against_static(claim: kinds.CheaperThanStatic, evidence: Evidence) -> Iterator[Score]:
    dense = evidence.dense
    assert dense is not None
    ours = _chosen(evidence, dense, claim.choose, times=_TIMES, points=_POINTS)
    theirs = _baseline(evidence, claim)
    gained = Condition(_gain("accuracy gained", evidence, ours, theirs), at_least=claim.points)
    label = f"{ours.label} against {theirs.label}"
    yield from _by_count(claim, evidence, ours, theirs, claim.times, gained, label)


def _by_count(
    claim: Claim, evidence: Evidence, ours: Group, theirs: Group, times: float, accuracy: Condition, label: str
) -> Iterator[Score]:
    """One score for each count: work and accuracy together."""
    for key, counted in COUNTS.items():
        cost = evidence.costs.get(key)
        ratio = cost and ratio_of_means(theirs.values(cost), ours.values(cost))
        where = evidence.study.name
        if not ratio:
            reason = "no run has this count"
            yield Score(claim, where, label, counted, (accuracy,), "not testable here", reason)
            continue
        conditions = (Condition(of_ratio(counted, ratio), at_least=times), accuracy)
        verdict, reason_ = verdict_of(conditions, failed=_failed(ours, theirs))
        yield Score(claim, where, label, counted, conditions, verdict, reason_)


def _accuracy(claim: kinds.AccuracyWithin, evidence: Evidence) -> Iterator[Score]:
    for group in evidence.matching(claim.selectors):
        mean = mean_with_interval(list(group.values(evidence.score).values()))
        condition = Condition(of_mean("accuracy", "percent", mean, 100), claim.low, claim.high)
        verdict, reason = verdict_of([condition], failed=_failed(group))
        yield Score(claim, evidence.study.name, group.label, None, (condition,), verdict, reason)


def _backward_work(claim: kinds.LessBackwardWork, evidence: Evidence) -> Iterator[Score]:
    counted = COUNTS["backward_ratio"]
    for group in evidence.matching(claim.selectors):
        shares = group.values(evidence.costs["backward_ratio"])
        work = ratio_of_means(dict.fromkeys(shares, 1.0), shares)
        assert work is not None
        condition = Condition(of_ratio(counted, work), at_least=claim.times)
        verdict, reason = verdict_of([condition], failed=_failed(group))
        yield Score(claim, evidence.study.name, group.label, counted, (condition,), verdict, reason)


def _bound(claim: kinds.StepBound, evidence: Evidence) -> Score:
    """F, W and X of dense training, as any run counts them beside its own."""
    macs = next(iter(evidence.groups[0].runs.values())).result["macs"]
    forward = macs["forward"]["dense"]
    most = (forward + macs["weight_gradient"]["dense"] + macs["input_gradient"]["dense"]) / forward
    condition = Condition(exact("bound", "times", most), at_most=claim.times)
    verdict, reason = verdict_of([condition])
    return Score(claim, evidence.study.name, None, "forward and backward MACs", (condition,), verdict, reason)


def _averages(claim: kinds.CheaperThanDense, scores: Sequence[Score]) -> Iterator[Score]:
    """Over data sets; one that has several studies counts with their mean."""
    for counted in COUNTS.values():
        rows = {row.where: row for row in scores if row.counted == counted and len(row.conditions) == 2}
        lacking = [name for names in DATA_SETS.values() for name in names if name not in rows]
        if lacking:
            reason = f"nothing to average: {', '.join(lacking)} could not be scored"
            yield Score(claim, AVERAGE, None, counted, (), "not testable here", reason)
            continue
        work, loss = (
            average([average([rows[name].conditions[place].figure for name in names]) for names in DATA_SETS.values()])
            for place in (0, 1)
        )
        conditions = (Condition(work, at_least=claim.times), Condition(loss, at_most=claim.points))
        failed = next((row.reason for row in rows.values() if row.reason and "failed" in row.reason), None)
        verdict, why = verdict_of(conditions, failed=failed)
        label = "each data set once, MNIST as the mean of its studies"
        yield Score(claim, AVERAGE, label, counted, conditions, verdict, why)


def _all_data_sets(evidence: Mapping[str, Evidence]) -> bool:
    return all(name in evidence for names in DATA_SETS.values() for name in names)


def _chosen(evidence: Evidence, dense: Group, choose: str, *, times: float, points: float) -> Group:
    """Of the configurations meant, that which is most favourable to a claim of so much less work for so many points.

    The cheapest, by backward work, that meets it; else the cheapest whose mean loss is within; else that which loses
    least.
    """
    cost = evidence.costs["backward_ratio"]
    meant = evidence.matching((choose,))
    loss = {group.label: _gain("accuracy lost", evidence, dense, group) for group in meant}
    work = {group.label: mean_with_interval(list(group.values(cost).values())).mean for group in meant}
    within = [group for group in meant if loss[group.label].value <= points]
    sure = [group for group in within if Condition(loss[group.label], at_most=points).met]
    meeting = [group for group in sure if work[group.label] * times <= 1]
    cheapest = meeting or within
    if cheapest:
        return min(cheapest, key=lambda group: work[group.label])
    return min(meant, key=lambda group: loss[group.label].value)


def _baseline(evidence: Evidence, claim: kinds.CheaperThanStatic) -> Group:
    """Static runs with the ratio; where the output layer cannot be sparse, and has one state only, that."""
    meant = evidence.matching((_static(claim),))
    sparse = [group for group in meant if group.output == "sparse"]
    if claim.output == "sparse" and sparse:
        return sparse[0]
    return max(meant, key=lambda group: mean_with_interval(list(group.values(evidence.score).values())).mean)


def _gain(name: str, evidence: Evidence, ours: Group, theirs: Group) -> Figure:
    """How many points better the first is, seed by seed."""
    difference = paired_difference(ours.values(evidence.score), theirs.values(evidence.score))
    if difference.mean is None:
        return Figure(name, "points", float("nan"), None, None, 0)
    return of_difference(name, difference)


def _failed(*groups: Group) -> str | None:
    lost = {group.label: [s for s, why in group.missing.items() if why not in _NOT_BEGUN] for group in groups}
    told = [f"{label}: seed {', '.join(map(str, seeds))}" for label, seeds in lost.items() if seeds]
    return f"failed: {'; '.join(told)}" if told else None


_TIMES, _POINTS = 5.0, 1.0
"""What the configuration is chosen by that is held against a fixed ratio: the claim against dense training."""
_NOT_BEGUN = ("no run", "running", "killed")
"""Why a seed may be missing without telling anything of the configuration."""
