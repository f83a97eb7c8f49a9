"""What a cost is asked for: one training step of a network, and what is known or assumed of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, cast

from tinyprop.cost.layers import layers_of
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
        reached: output positions of a convolution with a kept entry, of each group for itself; where zeros are skipped,
            with one that is not zero. Assumed: entries lie evenly.
        zero_inputs: numbers of its input that are exactly zero. Assumed: half behind a ReLU, none elsewhere.
        zero_blocks: blocks of eight neighbours in its input that are all zero. Assumed: zeros lie evenly.
        zero_gradients: entries of its output gradient that are exactly zero. Assumed: in front of a ReLU as many as the
            next layer's inputs, where these are known, else half; three quarters and more in front of a maximum pool.
        large_outputs: numbers of its output beyond ±0.625, for which a tanh takes longer. Assumed: a fifth.
        zero_moments: weights whose momentum or moments are still zero, since no gradient has reached them yet. Assumed:
            none.
    """

    kept: float | None = None
    kept_rows: float | None = None
    reached: float | None = None
    zero_inputs: float | None = None
    zero_blocks: float | None = None
    zero_gradients: float | None = None
    large_outputs: float | None = None
    zero_moments: float | None = None


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
    @property
    def kept_patches_fraction(self) -> float | None: ...


def measured(layers: Mapping[str, Selections]) -> dict[str, Activity]:
    """The activity that a run's statistics show, by layer name."""
    return {
        name: Activity(
            kept=layer.kept_fraction,
            kept_rows=layer.kept_rows / (layer.steps * layer.units),
            reached=layer.kept_patches_fraction,
        )
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

    def __post_init__(self) -> None:
        for refusal in refused_settings(self.policy, self.optimizer):
            raise RequestError(f"no cost is known for {refusal}: the C engine cannot run it; backend=torch can")
        if self.batch_size < 1:
            raise RequestError(f"batch_size={self.batch_size} is under 1")
        if self.micro_batch is not None and not 1 <= self.micro_batch <= self.batch_size:
            raise RequestError(f"micro_batch={self.micro_batch} is outside 1 to batch_size ({self.batch_size})")
        if self.kept is not None:
            _require_share("kept", self.kept)
        trainable = [layer.name for layer in layers_of(self.specification) if layer.trainable]
        for name, activity in self.activity.items():
            if name not in trainable:
                raise RequestError(f"activity of {name!r}: no trainable layer; there are {', '.join(trainable)}")
            for share, value in vars(activity).items():
                if value is not None:
                    _require_share(f"activity of {name}: {share}", value)

    @property
    def rounds(self) -> int:
        """Micro-batches of a batch."""
        return -(-self.batch_size // (self.micro_batch or self.batch_size))

    @property
    def is_whole_batch(self) -> bool:
        """Whether a batch is one micro-batch."""
        return self.rounds == 1 and (self.micro_batch or self.batch_size) == self.batch_size

    @property
    def is_measured(self) -> bool:
        """Whether all that a run can measure of its numbers is known: what is kept, and what is zero."""
        known = [
            (layer.kind, self.activity.get(layer.name, Activity()))
            for layer in layers_of(self.specification)
            if layer.trainable
        ]
        return all(
            each.kept_rows is not None
            and each.zero_inputs is not None
            and (each.reached is not None or kind == "linear")
            for kind, each in known
        )

    @property
    def momentum(self) -> float:
        """Of SGD; 0 where there is none."""
        return getattr(self.optimizer, "momentum", 0.0)

    def dense(self, *, skip_zeros: bool = False) -> TrainingStep:
        """The same step without any selection."""
        activity = _without_kept(self.activity)
        return replace(self, policy=cast("AnyPolicy", _Dense()), kept=None, activity=activity, skip_zeros=skip_zeros)

    def keeping(self, kept: float) -> TrainingStep:
        """The same step with so much kept in every layer that selects; a static policy's ratio is set to it."""
        activity = _without_kept(self.activity)
        if self.policy.name == "static":
            return replace(self, policy=replace(self.policy, ratio=kept), kept=None, activity=activity)
        return replace(self, kept=kept, activity=activity)


@dataclass(frozen=True)
class _Dense:
    """The dense policy without its package, which loads PyTorch."""

    name: str = "dense"
    granularity: str = "element"
    rounding: str = "nearest"
    sparse_bias: bool = True
    sparsify_output: bool = True


def _without_kept(activity: Mapping[str, Activity]) -> dict[str, Activity]:
    return {name: replace(known, kept=None, kept_rows=None, reached=None) for name, known in activity.items()}


def _require_share(what: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise RequestError(f"{what}={value} is outside [0, 1]")
