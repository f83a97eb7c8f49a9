"""What runs are compared by: a score, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tinyprop.compare.run import Run
from tinyprop.errors import RequestError

Kind = Literal["share", "ratio", "cycles", "energy", "seconds", "number"]
"""How a value is written: a share of 1 in per cent, and so on."""

_SCORES = ("test_accuracy", "test_auc", "test_loss")
"""What is compared where the user does not say: the first that there is."""


@dataclass(frozen=True)
class Quantity:
    """One number of a finished run.

    Attributes:
        key: name in files.
        title: name in tables, without the unit.
        read: the value; None where the run has none.
    """

    key: str
    title: str
    kind: Kind
    read: Callable[[Run], float | None]
    higher_is_better: bool = False

    def of(self, run: Run) -> float | None:
        """The run's value, None where it has none or none that is finite."""
        value = self.read(run)
        return None if value is None or not math.isfinite(value) else float(value)


def score(name: str) -> Quantity:
    """A metric of ``result.json``; losses are better when lower."""
    kind: Kind = "share" if name.endswith(("accuracy", "auc")) or "auc." in name else "number"
    return Quantity(
        name,
        name.removeprefix("test_").replace("_", " ").replace("pauc", "pAUC").replace("auc", "AUC"),
        kind,
        lambda run: run.result.get("metrics", {}).get(name),
        higher_is_better=not name.endswith("loss"),
    )


def default_score(runs: Iterable[Run]) -> str | None:
    """Accuracy where any run has one, else AUC, else loss; None where none has any."""
    known = metrics_of(runs)
    return next((name for name in _SCORES if name in known), None)


def metrics_of(runs: Iterable[Run]) -> set[str]:
    """Names of all metrics that finished runs have."""
    return {name for run in runs if run.finished for name in run.result.get("metrics", {})}


def costs(target: str | None) -> tuple[Quantity, ...]:
    """What a run is charged with. Cycles and energy are those modelled of a step on ``target``, where one is given."""
    work = (
        Quantity("backward_ratio", "backward work", "ratio", lambda run: _macs(run).get("backward_ratio")),
        Quantity("step_ratio", "step work", "ratio", lambda run: _macs(run).get("step_ratio")),
    )
    modelled = (
        ()
        if target is None
        else (
            Quantity("cycles", "cycles a step", "cycles", lambda run: _cost(run, target).get("cycles.step")),
            Quantity("microjoules", "energy a step", "energy", lambda run: _cost(run, target).get("microjoules.step")),
        )
    )
    return work + modelled


SECONDS = Quantity("wall_seconds", "training time", "seconds", lambda run: run.result.get("wall_seconds"))


def targets_of(runs: Sequence[Run]) -> dict[str, str]:
    """Targets that finished runs are modelled on, by key, with the name of each; those that most runs have first."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for key, cost in (run.result.get("cost") or {}).items():
            found.setdefault(key, []).append(str(cost.get("target", key)))
    return {key: names[0] for key, names in sorted(found.items(), key=lambda item: -len(item[1]))}


def chosen_target(asked: str | None, known: Mapping[str, str], presets: Mapping[str, str]) -> str | None:
    """The key of the target to compare on: the one asked for, else that which most runs have.

    Args:
        asked: a preset's name, or a target's or the beginning of one, in any case.
        presets: names of targets by the name of their preset.

    Raises:
        RequestError: no run is modelled on the one asked for.
    """
    if asked is None:
        return next(iter(known), None)
    wanted = presets.get(asked, asked).lower()
    for key, name in known.items():
        if name.lower().startswith(wanted) or key.lower().startswith(wanted):
            return key
    there = f"runs are modelled on {', '.join(known.values())}" if known else "no run is modelled on any"
    raise RequestError(
        f"--target {asked}: {there}; train with 'cost.targets=[{asked}]', and trainer.force=true where a run is there"
    )


def _macs(run: Run) -> Mapping[str, Any]:
    return run.result.get("macs") or {}


def _cost(run: Run, target: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (run.result.get("cost") or {}).get(target) or {}
    return found
