"""Several training steps on several targets: what `tinyprop cost` compares."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tinyprop.cost import Activity, Allowance, Budget, Target, TrainingStep, largest_ratio
from tinyprop.cost.load import loads_of
from tinyprop.errors import RequestError
from tinyprop.estimate.estimate import Estimate, estimate
from tinyprop.estimate.steps import Kept, extremes, follows_data, keeping, step_of, trainable_layers

if TYPE_CHECKING:
    from tinyprop.config.request import Job
    from tinyprop.config.schema import RunConfig
    from tinyprop.datasets.shape import SampleShape


@dataclass(frozen=True, eq=False)
class Measured:
    """What a finished run measured.

    Attributes:
        run: its name.
        config: which what was measured belongs to.
    """

    run: str
    config: RunConfig
    activity: Mapping[str, Activity]

    def holds_for(self, config: RunConfig) -> bool:
        """Whether a run of another configuration would measure much the same: of the numbers, not only what is kept."""
        mine = self.config
        return (config.dataset, config.model, config.policy, config.optimizer) == (
            mine.dataset,
            mine.model,
            mine.policy,
            mine.optimizer,
        )


@dataclass(frozen=True, eq=False)
class Case:
    """One training step, whatever the target.

    Attributes:
        overrides: that tell it from its siblings, those of the target left out.
        kept_from: where the kept fractions come from: ``policy``, ``--kept``, ``run NAME``, ``least`` or ``most``.
        group: cases of one group share their dense baselines.
    """

    overrides: tuple[str, ...]
    config: RunConfig
    step: TrainingStep
    kept_from: str
    group: str

    @property
    def kept(self) -> dict[str, float]:
        """The fraction that every layer keeps."""
        loads = loads_of(self.step)
        return {name: loads[name].kept / loads[name].ranked for name in trainable_layers(self.step)}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        config = self.config
        return {
            "overrides": list(self.overrides),
            "dataset": config.dataset.name,
            "model": config.model.name,
            "policy": config.policy.name,
            "optimizer": config.optimizer.name,
            "batch_size": config.trainer.batch_size,
            "kept_from": self.kept_from,
        }


def cases_of(
    jobs: Sequence[Job],
    shape_of: Callable[[RunConfig], SampleShape],
    *,
    kept: Kept | None = None,
    run: Measured | None = None,
    any_ratio: bool = False,
) -> tuple[list[Case], list[Target]]:
    """Every step that some jobs ask for, those with the same baselines together, and every target.

    Args:
        kept: of adaptive policies, which the data would tell.
        run: what a run measured, likewise.
        any_ratio: the kept fraction is what will be asked for, so none is needed.

    Raises:
        RequestError: the engine cannot run one of them; or ``kept`` or ``run`` are for none of them.
    """
    targets: list[Target] = []
    cases: dict[str, list[Case]] = {}
    used = False
    for job in jobs:
        if job.config.target not in targets:
            targets.append(job.config.target)
        plain = {key: value for key, value in job.config.plain().items() if key != "target"}
        identity = json.dumps(plain, sort_keys=True)
        if identity in cases:
            continue
        step = step_of(job.config, shape_of(job.config))
        activities: dict[str, Mapping[str, Activity]] = {"policy": {}}
        if run is not None and (follows_data(step) or step.policy == run.config.policy):
            used, activities = True, {f"run {run.run}": _fitting(step, job.config, run)}
        elif kept is not None and follows_data(step):
            used, activities = True, {"--kept": keeping(step, kept)}
        elif follows_data(step) and not any_ratio:
            activities = dict(extremes(step))
        group = json.dumps({key: value for key, value in plain.items() if key != "policy"}, sort_keys=True)
        cases[identity] = [
            Case(job.overrides, job.config, replace(step, activity=activity), origin, group)
            for origin, activity in activities.items()
        ]
    found = [case for each in cases.values() for case in each]
    if kept is not None and not used:
        names = ", ".join(dict.fromkeys(f"policy={case.config.policy.name}" for case in found))
        raise RequestError(f"--kept: {names} says itself what is kept; --kept is for adaptive policies")
    if run is not None and not used:
        raise RequestError(f"--run {run.run}: its policy is none of those asked for, and none of them is adaptive")
    common = set.intersection(*(set(case.overrides) for case in found))
    found = [replace(case, overrides=tuple(filter(_tells(common), case.overrides))) for case in found]
    groups = list(dict.fromkeys(case.group for case in found))
    return sorted(found, key=lambda case: groups.index(case.group)), targets


def _tells(common: set[str]) -> Callable[[str], bool]:
    """Whether an override tells a case from its siblings."""
    return lambda line: line not in common and not line.startswith(("target=", "target."))


def _fitting(step: TrainingStep, config: RunConfig, run: Measured) -> Mapping[str, Activity]:
    """What of a run's measurements holds for a step of another configuration: at least, it is taken to keep as much."""
    names = trainable_layers(step)
    if names != list(run.activity):
        raise RequestError(
            f"--run {run.run}: its network has layers {', '.join(run.activity)}, the one asked for has "
            f"{', '.join(names)}; what was kept in one says nothing of the other"
        )
    activity = run.activity
    if not run.holds_for(config):
        return {name: Activity(kept=known.kept) for name, known in activity.items()}
    if step.skip_zeros != getattr(run.config.backend, "skip_zeros", False):  # entries that are zero do not count there
        activity = {name: replace(known, kept_rows=None, reached=None) for name, known in activity.items()}
    if step.batch_size != run.config.trainer.batch_size:
        activity = {name: replace(known, kept_rows=None) for name, known in activity.items()}
    return activity


@dataclass(frozen=True, eq=False)
class Row:
    """One case on one target."""

    number: int
    case: Case
    estimate: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"case": self.number, **self.case.as_dict(), "kept": self.case.kept, **self.estimate.as_dict()}


def compare(cases: Sequence[Case], targets: Sequence[Target]) -> list[Row]:
    """Every case on every target, target by target.

    Raises:
        RequestError: see `estimate`.
    """
    return [
        Row(number, case, estimate(case.step, target))
        for target in targets
        for number, case in enumerate(cases, start=1)
    ]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a budget allows one case on one target.

    Attributes:
        estimate: at the largest ratio allowed, or at the smallest there is where none is.
    """

    number: int
    case: Case
    allowance: Allowance
    estimate: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        asked = self.case.as_dict()
        del asked["kept_from"]
        allowed = {"ratio": self.allowance.ratio, "bounded_by": self.allowance.bounded_by}
        return {"case": self.number, **asked, **allowed, **self.estimate.as_dict()}


def what_if(cases: Sequence[Case], targets: Sequence[Target], budget: Budget) -> list[Answer]:
    """The largest ratio within a budget, of every case on every target.

    Raises:
        RequestError: a policy selects nothing or keeps a number of its own; or see `tinyprop.cost.largest_ratio`.
    """
    for case in cases:
        if case.step.policy.name in ("dense", "meprop"):
            raise RequestError(
                f"policy={case.step.policy.name}: has no ratio that a budget could bound; "
                "take policy=static or an adaptive one"
            )
    found = []
    for target in targets:
        for number, case in enumerate(cases, start=1):
            allowance = largest_ratio(case.step, target, budget)
            step = case.step.keeping(0.0 if allowance.ratio is None else allowance.ratio)
            found.append(Answer(number, case, allowance, estimate(step, target)))
    return found
