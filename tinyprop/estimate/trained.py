"""What is modelled of a run that was trained, from what its layers kept and how much of its samples is zero."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyprop.cost import Activity, Target, measured
from tinyprop.cost.load import LANES
from tinyprop.cost.step import Selections
from tinyprop.errors import RequestError
from tinyprop.estimate.estimate import Estimate, estimate
from tinyprop.estimate.steps import step_of

if TYPE_CHECKING:
    from tinyprop.config.schema import RunConfig
    from tinyprop.datasets.shape import SampleShape

_ENOUGH = 2000
"""Samples that say how much of all is zero."""


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


def activity_of(totals: Mapping[str, Selections], zeros: Mapping[str, float]) -> dict[str, Activity]:
    """What was measured: a run's statistics by layer, and `zeros_of` its training samples for the first of them."""
    found = measured(totals)
    for first in list(found)[:1]:
        found[first] = replace(found[first], **zeros)
    return found


def activity_in(result: Mapping[str, Any]) -> dict[str, Activity]:
    """The same from a ``result.json``, as far as it is there."""
    found = {
        layer["name"]: Activity(kept=layer["kept_fraction"], kept_rows=layer.get("kept_rows_fraction"))
        for layer in result["layers"]
    }
    for first in list(found)[:1]:
        found[first] = replace(found[first], **result.get("zeros", {}))
    return found


def zeros_of(x: NDArray[np.float32]) -> dict[str, float]:
    """How much of some samples, shape (samples, *input_shape), is exactly zero: numbers, and blocks of eight that the
    engine reads at once, with the channels of an image last. Of many samples some, spread evenly, stand for all.
    """
    x = x[:: max(1, len(x) // _ENOUGH)]
    rows = (np.moveaxis(x, 1, -1) if x.ndim == 4 else x).reshape(len(x), -1) == 0
    blocks = rows[:, : rows.shape[1] // LANES * LANES].reshape(-1, LANES)
    return {
        "zero_inputs": float(rows.mean()),
        "zero_blocks": float(blocks.all(axis=1).mean()) if blocks.size else 0.0,
    }


def key_of(target: Target) -> str:
    """A target's name as a key: letters, digits and underscores."""
    return re.sub(r"\W+", "_", target.name, flags=re.ASCII).strip("_") or "target"


def _note(error: RequestError) -> str:
    return f"Cost on a microcontroller: {error}."
