"""The training step that a configuration describes, and what of it is kept where only data could tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinyprop.backends.engine_settings import EngineBackend
from tinyprop.cost import Activity, TrainingStep
from tinyprop.cost.layers import layers_of
from tinyprop.errors import RequestError
from tinyprop.models import ResNet8
from tinyprop.training.metrics import LOSS_OF_TASK

if TYPE_CHECKING:
    from tinyprop.config.schema import RunConfig
    from tinyprop.datasets.shape import SampleShape

Kept = float | Mapping[str, float]
"""A kept fraction of every layer, or of each by its name."""


def step_of(config: RunConfig, sample: SampleShape, activity: Mapping[str, Activity] | None = None) -> TrainingStep:
    """One step of a run as the C engine would take it, whatever its backend.

    Raises:
        RequestError: the engine cannot run it, or the model does not fit the samples.
    """
    if isinstance(config.model, ResNet8):
        raise RequestError(
            "no cost is known for model=resnet8 (not a sequence of layers): the C engine cannot run it; "
            "backend=torch can"
        )
    loss = LOSS_OF_TASK[sample.task]
    engine = config.backend if isinstance(config.backend, EngineBackend) else None
    return TrainingStep(
        specification=config.model.specification(sample.input_shape, sample.outputs, loss),
        policy=config.policy,
        optimizer=config.optimizer,
        batch_size=config.trainer.batch_size,
        micro_batch=None if engine is None else engine.micro_batch,
        skip_zeros=engine is not None and engine.skip_zeros,
        activity=activity or {},
    )


def trainable_layers(step: TrainingStep) -> list[str]:
    """Names of the layers with weights, from the input on."""
    return [layer.name for layer in layers_of(step.specification) if layer.trainable]


def follows_data(step: TrainingStep) -> bool:
    """Whether only data could tell how much the policy keeps."""
    return step.policy.name.startswith("adaptive")


def keeping(step: TrainingStep, kept: Kept) -> dict[str, Activity]:
    """The step's activity with so much kept.

    Raises:
        RequestError: a fraction is outside [0, 1], or a layer is missing or unknown.
    """
    names = trainable_layers(step)
    fractions = dict.fromkeys(names, kept) if isinstance(kept, float) else dict(kept)
    selecting = names if step.policy.sparsify_output else names[:-1]
    unknown = [name for name in fractions if name not in names]
    missing = [name for name in selecting if name not in fractions]
    if unknown or missing:
        what = f"{unknown[0]}: no layer with weights" if unknown else f"no fraction for {', '.join(missing)}"
        raise RequestError(f"--kept: {what}; the network's are {', '.join(names)}")
    for name, value in fractions.items():
        if not 0 <= value <= 1:
            raise RequestError(f"--kept {name}={value}: is outside [0, 1], the fraction of entries that is kept")
    return {name: Activity(kept=value) for name, value in fractions.items()}


def extremes(step: TrainingStep) -> dict[str, dict[str, Activity]]:
    """The ``least`` and the ``most`` that an adaptive policy can keep, whatever the data."""
    policy: Any = step.policy
    skips = policy.name == "adaptive_skip"
    found: dict[str, dict[str, Activity]] = {"least": {}, "most": {}}
    for layer in layers_of(step.specification):
        if layer.trainable:
            by_channel = policy.granularity == "channel" and layer.kind == "conv2d"
            entries = layer.rows if by_channel else layer.outputs
            for which, ratio in (("least", policy.s_min), ("most", policy.s_max)):
                count = _count(ratio * policy.zeta**layer.depth, entries, policy.rounding)
                kept = 0.0 if skips and which == "least" else count / entries
                found[which][layer.name] = Activity(kept=kept)
    return found


def _count(ratio: float, entries: int, rounding: str) -> int:
    half = 0.0 if rounding == "floor" else 0.5
    return max(1, min(entries, math.floor(min(1.0, ratio) * entries + half)))
