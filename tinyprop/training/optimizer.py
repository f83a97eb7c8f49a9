"""Optimizers and learning-rate schedules: their settings, and what an update costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tinyprop.errors import require

if TYPE_CHECKING:
    import torch

Condition = tuple[bool, str, str]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What all optimizers share: the learning rate and its schedule over the epochs of a run.

    Attributes:
        lr: learning rate of the first epoch after warm-up.
        weight_decay: L2 penalty (SGD, Adam) or decoupled decay (AdamW).
        schedule: ``constant``; ``cosine`` falls to zero over the run; ``step`` multiplies by ``step_factor`` every
            ``step_epochs`` epochs.
        warmup_epochs: epochs over which the rate rises linearly to ``lr`` first.
    """

    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warmup_epochs: int = 0
    step_epochs: int = 10
    step_factor: float = 0.1

    def __post_init__(self) -> None:
        require(*self._conditions())

    def rate(self, epoch: int, epochs: int) -> float:
        """The learning rate of an epoch, counted from 0, of a run of so many."""
        if epoch < self.warmup_epochs:
            return self.lr * (epoch + 1) / (self.warmup_epochs + 1)
        if self.schedule == "cosine":
            done = (epoch - self.warmup_epochs) / max(1, epochs - self.warmup_epochs)
            return self.lr * (1 + math.cos(math.pi * done)) / 2
        if self.schedule == "step":
            return self.lr * self.step_factor ** ((epoch - self.warmup_epochs) // self.step_epochs)
        return self.lr

    @property
    def macs_per_weight(self) -> int:
        """Multiply-accumulates of one update of one weight; divisions and square roots are not counted."""
        raise NotImplementedError(f"{type(self).__name__} states no cost")

    @property
    def touches_all_weights(self) -> bool:
        """Whether weights with a zero gradient move too, so that an update cannot be sparse."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it touches")

    @property
    def state_per_weight(self) -> int:
        """Numbers that it keeps for each weight between steps."""
        raise NotImplementedError(f"{type(self).__name__} states no memory")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """PyTorch's optimizer of these settings."""
        raise NotImplementedError(f"{type(self).__name__} builds nothing")

    def _conditions(self) -> Iterator[Condition]:
        yield self.lr > 0 and math.isfinite(self.lr), "lr", f"{self.lr} is not a finite number above 0"
        yield self.weight_decay >= 0, "weight_decay", f"{self.weight_decay} is under 0"
        yield (
            self.schedule in ("constant", "cosine", "step"),
            "schedule",
            f"{self.schedule!r} is not constant, cosine or step",
        )
        yield self.warmup_epochs >= 0, "warmup_epochs", f"{self.warmup_epochs} is under 0"
        yield self.step_epochs >= 1, "step_epochs", f"{self.step_epochs} is under 1"
        yield 0 < self.step_factor <= 1, "step_factor", f"{self.step_factor} is outside (0, 1]"


@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer):
    """Stochastic gradient descent. Without momentum and decay it leaves weights without a gradient alone."""

    name: Literal["sgd"] = "sgd"
    lr: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    @property
    def macs_per_weight(self) -> int:
        # w −= lr·v; with momentum v = μ·v + g; with decay g += λ·w; Nesterov looks ahead by another g += μ·v.
        return 1 + (self.momentum > 0) + (self.weight_decay > 0) + self.nesterov

    @property
    def touches_all_weights(self) -> bool:
        return self.momentum > 0 or self.weight_decay > 0

    @property
    def state_per_weight(self) -> int:
        return int(self.momentum > 0)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.SGD(
            parameters,
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            fused=True,  # one kernel for all parameters: a third of a tiny network's step otherwise
        )

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield 0 <= self.momentum < 1, "momentum", f"{self.momentum} is outside [0, 1)"
        yield not self.nesterov or self.momentum > 0, "nesterov", "needs momentum above 0"


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): every weight moves at every step, so its update is never sparse."""

    name: Literal["adam"] = "adam"
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    @property
    def macs_per_weight(self) -> int:
        # m = β1·m + (1−β1)·g: 2; v = β2·v + (1−β2)·g·g: 3; w −= lr·m/(√v + ε): 1; decay 1.
        return 6 + (self.weight_decay > 0)

    @property
    def touches_all_weights(self) -> bool:
        return True

    @property
    def state_per_weight(self) -> int:
        return 2

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.Adam(parameters, **self._arguments())

    def _arguments(self) -> dict[str, Any]:
        return {
            "lr": self.lr,
            "betas": (self.beta1, self.beta2),
            "eps": self.epsilon,
            "weight_decay": self.weight_decay,
            "fused": True,  # one kernel for all parameters: a third of a tiny network's step otherwise
        }

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield 0 <= self.beta1 < 1, "beta1", f"{self.beta1} is outside [0, 1)"
        yield 0 <= self.beta2 < 1, "beta2", f"{self.beta2} is outside [0, 1)"
        yield self.epsilon > 0, "epsilon", f"{self.epsilon} is not above 0"


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    name: Literal["adamw"] = "adamw"  # type: ignore[assignment]
    weight_decay: float = 0.01

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(parameters, **self._arguments())


AnyOptimizer = Sgd | Adam | AdamW
