"""Settings of the backends that train with the C engine, and what these refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyprop.engine.description import refused_settings
from tinyprop.errors import require

if TYPE_CHECKING:
    from tinyprop.models import AnyModel
    from tinyprop.sparse.policies import AnyPolicy
    from tinyprop.training.optimizer import AnyOptimizer
    from tinyprop.training.settings import Trainer

Condition = tuple[bool, str, str]


@dataclass(frozen=True, kw_only=True)
class EngineBackend:
    """What the backends of the C engine share.

    Attributes:
        skip_zeros: do no arithmetic on exact zeros of inputs and gradients; the results are the same bits.
        micro_batch: samples held in memory at a time, at most ``trainer.batch_size``; null holds the whole batch. Fewer
            take less memory for activations and more for gradients, and adaptive ratios then see the running maximum
            up to their own micro-batch only.
    """

    skip_zeros: bool = False
    micro_batch: int | None = None

    def __post_init__(self) -> None:
        require(*self._conditions())

    def refusals(
        self,
        name: str,
        *,
        model: AnyModel | None,
        policy: AnyPolicy | None,
        optimizer: AnyOptimizer | None,
        trainer: Trainer | None,
    ) -> Iterator[tuple[str, str]]:
        """What this backend cannot do of a configuration, as (field, message); layers are looked at before training.

        Args:
            name: of the backend.
            model, policy, optimizer, trainer: None where they are wrong themselves.
        """
        refused = [*refused_settings(policy, optimizer)]
        if model is not None and model.name == "resnet8":
            refused.append("model=resnet8 (its layers are no sequence)")
        for refusal in refused:
            yield "", f"{name} cannot run {refusal}; backend=torch can"
        if trainer is None:
            return
        if trainer.device == "cuda":
            yield "", f"{name} does not use trainer.device=cuda; set trainer.device=auto, or backend=torch"
        if self.micro_batch is not None and self.micro_batch > trainer.batch_size:
            yield "micro_batch", f"{self.micro_batch} is over trainer.batch_size ({trainer.batch_size})"

    def _conditions(self) -> Iterator[Condition]:
        yield self.micro_batch is None or self.micro_batch >= 1, "micro_batch", f"{self.micro_batch} is under 1"
