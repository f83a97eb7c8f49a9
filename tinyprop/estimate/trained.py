"""What is modelled of a run that was trained, from what its layers kept and how much of its samples is zero."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tinyprop.cost import Activity, Target, measured
from tinyprop.cost.step import Selections
from tinyprop.errors import RequestError
from tinyprop.estimate.estimate import Estimate, estimate
from tinyprop.estimate.steps import step_of

if TYPE_CHECKING:
    from tinyprop.config.schema import RunConfig
    from tinyprop.datasets.shape import SampleShape

NUMBERS = ("zero_inputs", "zero_blocks", "large_outputs", "zero_moments")
"""What is said of a layer's numbers, as in `tinyprop.cost.Activity`."""


def estimates_of_run(
    config: RunConfig, sample: SampleShape, activity: Mapping[str, Activity], targets: Iterable[Target]
) -> tuple[dict[str, Estimate], list[str]]:
    """The run's own target and the others, by `key_of`, and a note for each that nothing is known of, saying why.

    Args:
        activity: what the run measured; see `activity_of` and `activity_in`.
    """
    try:
        step = step_of(config, sample, activity)
    except RequestError as error:
        return {}, [_note(error)]
    found: dict[str, Estimate] = {}
    notes = []
    for target in (config.target, *targets):
        if key_of(target) in found:
            continue
        try:
            found[key_of(target)] = estimate(step, target)
        except RequestError as error:
            notes.append(_note(error))
    return found, list(dict.fromkeys(notes))


def activity_of(totals: Mapping[str, Selections], numbers: Mapping[str, Mapping[str, float]]) -> dict[str, Activity]:
    """What was measured: a run's statistics by layer, and what its numbers are like: `tinyprop.training.numbers`."""
    return {name: replace(known, **numbers.get(name, {})) for name, known in measured(totals).items()}


def activity_in(result: Mapping[str, Any]) -> dict[str, Activity]:
    """The same from a ``result.json``, as far as it is there."""
    return {
        layer["name"]: Activity(
            kept=layer["kept_fraction"],
            kept_rows=layer.get("kept_rows_fraction"),
            reached=layer.get("kept_patches_fraction"),
            **{share: layer[share] for share in NUMBERS if share in layer},
        )
        for layer in result["layers"]
    }


def key_of(target: Target) -> str:
    """A target's name as a key: letters, digits and underscores."""
    return re.sub(r"\W+", "_", target.name, flags=re.ASCII).strip("_") or "target"


def _note(error: RequestError) -> str:
    return f"Cost on a microcontroller: {error}."
