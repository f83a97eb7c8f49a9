"""What a cost is asked for: one training step of a network, and what is known or assumed of its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from tinyprop.cost.layers import LayerGeometry, layers_of
from tinyprop.engine.description import refused_settings
from tinyprop.errors import RequestError
from tinyprop.models.specification import NetworkSpecification

if TYPE_CHECKING:
    from tinyprop.sparse.policies import AnyPolicy
    from tinyprop.training.optimizer import AnyOptimizer


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What of one trainable layer's numbers is kept or zero: shares from 0 to 1, measured or assumed; None is assumed.

    Attributes:
        kept: entries kept, of all that the selection chooses among (channels, where whole ones are kept). Assumed:
            what the policy says, where it says it.
        kept_rows: weight rows with a kept entry in a batch. Assumed: samples choose independently of each other.
        reached: positions of a convolution with a kept entry. Assumed: entries lie evenly.
        zero_inputs: numbers of its input that are exactly zero. Assumed: half behind a ReLU, none elsewhere.
        zero_blocks: blocks of eight neighbours in its input that are all zero. Assumed: zeros lie evenly.
        zero_gradients: entries of its output gradient that are exactly zero. Assumed: half in front of a ReLU, three
            quarters and more in front of a maximum pool.
    """

    kept: float | None = None
    kept_rows: float | None = None
    reached: float | None = None
    zero_inputs: float | None = None
    zero_blocks: float | None = None
    zero_gradients: float | None = None


class Selections(Protocol):
    """What a run counts of a layer, such as `tinyprop.sparse.LayerStatistics`."""

    @property
    def steps(self) -> int: ...
    @property
    def units(self) -> int: ...
    @property
    def kept_rows(self) -> int: ...
    @property
    def kept_fraction(self) -> float: ...


def measured(layers: Mapping[str, Selections]) -> dict[str, Activity]:
    """The activity that a run's statistics show, by layer name."""
    return {
        name: Activity(kept=layer.kept_fraction, kept_rows=layer.kept_rows / (layer.steps * layer.units))
        for name, layer in layers.items()
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingStep:
    """One step, that is one batch, of training a network with the C engine.

    Attributes:
        micro_batch: samples held in memory at a time; None is the whole batch.
        skip_zeros: do no arithmetic on exact zeros.
        kept: fraction of entries kept in every layer that selects; None leaves it to ``activity`` and the policy.
            Adaptive policies need one of the two, for theirs depends on the data.
        activity: by name of a trainable layer.

    Raises:
        RequestError: something is out of range or unknown, or the engine cannot run it; says what.
    """

    specification: NetworkSpecification
    policy: AnyPolicy
    optimizer: AnyOptimizer
    batch_size: int = 1
    micro_batch: int | None = None
    skip_zeros: bool = False
    kept: float | None = None
    activity: Mapping[str, Activity] = field(default_factory=dict)
