"""What if: the largest ratio that a budget of time, energy or memory allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyprop.cost.footprint import footprint
from tinyprop.cost.predict import predict
from tinyprop.cost.step import TrainingStep
from tinyprop.cost.target import Target
from tinyprop.errors import RequestError

_HALVINGS = 20
"""A millionth of a ratio is finer than any layer can keep."""


@dataclass(frozen=True)
class Budget:
    """What a training step may take at most; None is no bound."""

    milliseconds: float | None = None
    microjoules: float | None = None
    ram_bytes: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise RequestError(f"a budget of {value} {name} is not above 0")
        if all(value is None for value in vars(self).values()):
            raise RequestError("a budget names milliseconds, microjoules or ram_bytes, or several of them")


@dataclass(frozen=True)
class Allowance:
    """What a budget allows.

    Attributes:
        ratio: the largest kept fraction of every layer that selects; None where not even the smallest is within.
        bounded_by: the field of the budget that a larger ratio would break; None where keeping everything is within.
    """

    ratio: float | None
    bounded_by: str | None


def largest_ratio(step: TrainingStep, target: Target, budget: Budget) -> Allowance:
    """The largest kept fraction that is within the budget, by bisection.

    Where a small ratio costs more than a larger one, for the engine ranks in another way, there may be larger ones
    still.

    Raises:
        RequestError: the policy is dense, the target does not know its current and energy is bounded, or see `predict`.
    """
    if step.policy.name == "dense":
        raise RequestError("policy=dense keeps everything; a ratio within a budget is that of a policy that selects")
    exceeded = _exceeded(step, target, budget)
    if (most := exceeded(1.0)) is None:
        return Allowance(1.0, None)
    if (least := exceeded(0.0)) is not None:
        return Allowance(None, least)
    low, high, reason = 0.0, 1.0, most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (breaks := exceeded(middle)) is None:
            low = middle
        else:
            high, reason = middle, breaks
    return Allowance(low, reason)


def _exceeded(step: TrainingStep, target: Target, budget: Budget) -> Callable[[float], str | None]:
    def which(ratio: float) -> str | None:
        tried = step.keeping(ratio)
        if budget.ram_bytes is not None and sum(footprint(tried, target).ram.values()) > budget.ram_bytes:
            return "ram_bytes"
        prediction = predict(tried, target)
        if budget.milliseconds is not None and prediction.milliseconds > budget.milliseconds:
            return "milliseconds"
        if budget.microjoules is not None and prediction.microjoules > budget.microjoules:
            return "microjoules"
        return None

    return which
