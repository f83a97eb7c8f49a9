"""The comparison itself: from runs to what a reader is told of them. Reads no file and prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinyprop.compare import pairing, quantities, selection
from tinyprop.compare.answer import Comparison, FamilyComparison, GroupSummary, Question
from tinyprop.compare.families import Family, Group, sort_runs
from tinyprop.compare.pareto import pareto_front
from tinyprop.compare.quantities import SECONDS, Quantity
from tinyprop.compare.reaching import reach_table
from tinyprop.compare.run import Excluded, Run
from tinyprop.compare.selection import Selector
from tinyprop.compare.statistics import mean_with_interval
from tinyprop.config.problems import nearest
from tinyprop.errors import RequestError


def compare(runs: Sequence[Run], question: Question | None = None) -> Comparison:
    """Compare runs.

    Args:
        runs: as `tinyprop.compare.read_directories` and `tinyprop.compare.read_tracked` give them.

    Raises:
        RequestError: no run has finished, or the question names a metric, target or configuration that none has.
    """
    question = question or Question()
    wanted = _selectors(question)
    finished = [run for run in runs if run.finished]
    if not finished:
        states = ", ".join(sorted({run.status for run in runs}))
        raise RequestError(f"none of {len(runs)} runs has finished ({states}); there is nothing to compare")
    known = quantities.metrics_of(finished)
    if question.metric is not None and question.metric not in known:
        raise RequestError(f"--metric {question.metric}: no run has it; {nearest(question.metric, known)}")
    names = quantities.targets_of(finished)
    target = quantities.chosen_target(question.target, names, question.presets or {})
    families, excluded = sort_runs(runs)
    compared = []
    for family in families:
        found, without = _scored(family, question.metric)
        excluded += without
        if any(group.runs for group in found.groups):
            compared.append(_family(found, question, wanted, target, names))
    if not compared:
        raise RequestError(f"no run can be compared: {excluded[0].what}: {excluded[0].reason}")
    _require_meant(question, wanted, compared)
    return Comparison(question, compared, excluded, _remarks(runs))


def _remarks(runs: Sequence[Run]) -> list[str]:
    counts = Counter(run.remark for run in runs if run.remark)
    if not counts:
        return []
    first, others = next(iter(counts)), sum(counts.values()) - 1
    return [first + (f" So it is with {others} other runs." if others else "")]


def _selectors(question: Question) -> dict[str, Selector]:
    texts = {"--baseline": question.baseline, "--against": question.against}
    return {
        option: selection.only_policies(selection.parse(text, option), option)
        for option, text in texts.items()
        if text is not None
    }


def _require_meant(question: Question, wanted: Mapping[str, Selector], families: Sequence[FamilyComparison]) -> None:
    """Refuse a configuration that is asked for and nowhere; that there is no dense run is told in its place."""
    groups = [summary.group for each in families for summary in each.groups]
    for option, selector in wanted.items():
        asked = option != "--baseline" or question.baseline != Question.baseline
        if asked and not any(selector.matches_policy(group.policy) for group in groups):
            labels = "; ".join(dict.fromkeys(group.label for group in groups))
            raise RequestError(
                f"{option} {selector.text}: no configuration is like that; give keys and values, such as "
                f"policy=static,policy.ratio=0.1. There are: {labels}"
            )


def _scored(family: Family, metric: str | None) -> tuple[Family, list[Excluded]]:
    """The family with the runs that have the score, and those that do not."""
    name = metric or quantities.default_score(run for group in family.groups for run in group.runs.values())
    groups, without = [], []
    for group in family.groups:
        kept, missing = {}, dict(group.missing)
        for seed, run in group.runs.items():
            if name is not None and quantities.score(name).of(run) is not None:
                kept[seed] = run
                continue
            value = None if name is None else run.result.get("metrics", {}).get(name)
            reason = f"it has no {name or 'score'}" if value is None else f"its {name} is {value}"
            missing[seed] = "incomparable"
            without.append(Excluded(f"{group.label}, seed {seed}", run.place, "incomparable", reason))
        groups.append(replace(group, runs=kept, missing=missing))
    return replace(family, groups=groups), without


def _family(
    family: Family,
    question: Question,
    wanted: Mapping[str, Selector],
    target: str | None,
    names: Mapping[str, str],
) -> FamilyComparison:
    runs = [run for group in family.groups for run in group.runs.values()]
    score = quantities.score(question.metric or str(quantities.default_score(runs)))
    costs = tuple(each for each in quantities.costs(target) if any(each.of(run) is not None for run in runs))
    cost = _cost(costs, question.at_equal)
    baseline = pairing.best_of(family.groups, wanted["--baseline"], score)
    tables = [pairing.against("baseline", family.groups, wanted["--baseline"], score, cost)]
    if "--against" in wanted:
        tables.append(pairing.against("against", family.groups, wanted["--against"], score, cost))
    tables.append(pairing.against_strongest(family.groups, score, cost))
    return FamilyComparison(
        family,
        score,
        costs,
        names.get(target) if target and any(each.key == "cycles" for each in costs) else None,
        None if baseline is None else baseline.label,
        _summaries(family.groups, score, costs),
        tables,
        reach_table(family, score, baseline, question.to_reach),
    )


def _cost(costs: Sequence[Quantity], key: str) -> Quantity:
    known = {each.key: each for each in costs}
    if key not in known:
        raise RequestError(f"--at-equal {key}: runs have no such cost; {nearest(key, known)}")
    return known[key]


def _summaries(groups: Sequence[Group], score: Quantity, costs: Sequence[Quantity]) -> list[GroupSummary]:
    means = []
    for group in groups:
        values = {each.key: list(group.values(each).values()) for each in (score, *costs, SECONDS)}
        means.append({key: mean_with_interval(found) for key, found in values.items() if found})
    fronts: dict[str, list[bool]] = {}
    for cost in costs:
        points = [
            (mean[cost.key].mean, mean[score.key].mean) if {cost.key, score.key} <= mean.keys() else None
            for mean in means
        ]
        fronts[cost.key] = pareto_front(points, higher_is_better=score.higher_is_better)
    return [
        GroupSummary(group, mean, tuple(key for key, front in fronts.items() if front[index]))
        for index, (group, mean) in enumerate(zip(groups, means, strict=True))
    ]
