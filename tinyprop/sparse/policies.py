"""How much of a layer's output gradient each training step keeps.

Every policy is a frozen dataclass with one question to answer: given the local error of each sample of the batch, which
ratio of the gradient's entries is kept? Everything else (what is ranked, ties, zeros, statistics) is the same for all
and lives in `tinyprop.sparse.selection` and `tinyprop.sparse.layers`.

Notation, as everywhere in this package: B batch size, n entries of one sample's output gradient G[b] (for a convolution
channels × height × width), Y local error, r ratio, k kept entries, d trainable layers between a layer and the output.

Sources: Static, MeProp: Sun et al., ICML 2017 (arXiv 1706.06197). Adaptive: Rüb et al. 2023 (arXiv 2308.09201).
AdaptiveSkip: TinyPropv2 (arXiv 2409.07109). Scheduled: ssProp (arXiv 2408.12561). Budget: ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tinyprop.errors import RequestError, require

Granularity = Literal["element", "channel"]
Rounding = Literal["nearest", "floor"]
PerSample = NDArray[np.floating]
"""One number for each sample of a batch, shape (B,): float32, or float64 where the gradients are."""
Condition = tuple[bool, str, str]
"""(holds, field, what to say where it does not), as `tinyprop.errors.require` takes it."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What all policies share.

    Attributes:
        granularity: ``element`` ranks single entries of the gradient by magnitude; ``channel`` ranks whole output
            channels of a convolution by their L1 norm. For a linear layer on flat input both are the same.
        rounding: of n·r to a count; ``nearest`` rounds halves up, ``floor`` is what the authors' C code does.
        sparse_bias: whether bias gradients see only the kept entries too; the authors' C code keeps them dense.
        sparsify_output: whether the output layer is sparse too. The authors say yes, meProp says no.
    """

    granularity: Granularity = "element"
    rounding: Rounding = "nearest"
    sparse_bias: bool = True
    sparsify_output: bool = True

    at_random: ClassVar[bool] = False
    """Entries are drawn by lot instead of ranked by magnitude."""
    batch_shared: ClassVar[bool] = False
    """One selection serves the whole batch, instead of one for each sample."""
    by_threshold: ClassVar[bool] = False
    """Entries are compared with one threshold of the network instead of ranked; there are no ratios and counts."""

    def __post_init__(self) -> None:
        require(*self._conditions())

    def ratios(self, local_error: PerSample, local_error_max: float, depth: int, entries: int) -> PerSample:
        """The ratio r of each sample, shape (B,), within [0, 1].

        Args:
            local_error: Y of the per-sample loss, shape (B,).
            local_error_max: the layer's running maximum of Y, this batch included.
            depth: d, 0 at the output layer.
            entries: n, what the ratio is a fraction of.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no ratio")

    def counts(self, ratio: PerSample, entries: int) -> NDArray[np.int64]:
        """k = clamp(round(n·r), 1, n) for each sample, shape (B,)."""
        half = 0.0 if self.rounding == "floor" else 0.5
        counts: NDArray[np.int64] = np.floor(ratio * entries + half).clip(1, entries).astype(np.int64)
        return counts

    def skipped(self, output_ratio: PerSample) -> NDArray[np.bool_] | None:
        """Which samples, bool (B,), leave out their whole backward pass, by the output layer's ratio; None: none."""
        return None

    def is_dense_in(self, epoch: int) -> bool:
        """Whether this epoch, counted from 0, trains densely."""
        return False

    def _conditions(self) -> Iterator[Condition]:
        yield (
            self.granularity in ("element", "channel"),
            "granularity",
            f"{self.granularity!r} is neither 'element' nor 'channel'",
        )
        yield self.rounding in ("nearest", "floor"), "rounding", f"{self.rounding!r} is neither 'nearest' nor 'floor'"


@dataclass(frozen=True, kw_only=True)
class Dense(Policy):
    """Plain backpropagation: every entry is kept."""

    name: Literal["dense"] = "dense"

    def ratios(self, local_error: PerSample, local_error_max: float, depth: int, entries: int) -> PerSample:
        return np.ones_like(local_error)

    def is_dense_in(self, epoch: int) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class _FixedRatio(Policy):
    """What keeps the same fraction in every layer, at every sparse step, for every sample."""

    ratio: float = 0.1

    def ratios(self, local_error: PerSample, local_error_max: float, depth: int, entries: int) -> PerSample:
        return np.full_like(local_error, self.ratio)

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield _within_unit("ratio", self.ratio)


@dataclass(frozen=True, kw_only=True)
class Static(_FixedRatio):
    """The same ratio in every layer, at every step, for every sample."""

    name: Literal["static"] = "static"


@dataclass(frozen=True, kw_only=True)
class Random(_FixedRatio):
    """The control: as many entries as `Static` keeps, drawn by lot. What ranking is worth is the difference."""

    name: Literal["random"] = "random"
    at_random: ClassVar[bool] = True
    seed: int = 0

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield self.seed >= 0, "seed", f"{self.seed} is negative; seeds count from 0"


@dataclass(frozen=True, kw_only=True)
class Scheduled(_FixedRatio):
    """ssProp: in some epochs, whole output channels only, chosen for the batch together by mean magnitude.

    The last epoch of each ``period`` is sparse, the others are dense; period 2 alternates, beginning densely.
    """

    name: Literal["scheduled"] = "scheduled"
    ratio: float = 0.2
    granularity: Granularity = "channel"
    period: int = 2
    batch_shared: ClassVar[bool] = True

    def is_dense_in(self, epoch: int) -> bool:
        return epoch % self.period != self.period - 1

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield self.period >= 1, "period", f"{self.period} epochs is under 1; 1 makes every epoch sparse"
        yield (
            self.granularity == "channel",
            "granularity",
            "'element' is not part of a scheduled policy, which keeps whole channels",
        )


@dataclass(frozen=True, kw_only=True)
class MeProp(Policy):
    """meProp: a fixed number k of entries in every hidden layer, whatever its width; the output layer dense."""

    name: Literal["meprop"] = "meprop"
    k: int = 30
    sparsify_output: bool = False

    def ratios(self, local_error: PerSample, local_error_max: float, depth: int, entries: int) -> PerSample:
        return np.full_like(local_error, min(self.k, entries) / entries)

    def counts(self, ratio: PerSample, entries: int) -> NDArray[np.int64]:
        return np.full(len(ratio), min(self.k, entries))

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield self.k >= 1, "k", f"{self.k} is under 1, the least that is kept"


@dataclass(frozen=True, kw_only=True)
class Adaptive(Policy):
    """TinyProp: r = (s_min + Y·(s_max − s_min)/Y_max)·ζ^d, clamped to [0, 1].

    Attributes:
        s_min, s_max: ratio of a sample without error, and of one with the largest error seen so far. ``s_max`` may
            exceed 1: together with ζ < 1 it keeps early layers from starving.
        zeta: ζ, the damping factor for each trainable layer between this one and the output.
    """

    name: Literal["adaptive"] = "adaptive"
    s_min: float = 0.0
    s_max: float = 1.0
    zeta: float = 1.0

    def ratios(self, local_error: PerSample, local_error_max: float, depth: int, entries: int) -> PerSample:
        # Before any error was seen Y and Y_max are both zero: any divisor but zero gives the right ratio, s_min.
        divisor = local_error_max if local_error_max > 0 else 1.0
        # Y/Y_max first: it is exactly 1 for the largest error, and n·r then rounds the same way every time.
        ratio = (self.s_min + local_error / divisor * (self.s_max - self.s_min)) * self.zeta**depth
        return ratio.clip(0, 1)

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield _within_unit("s_min", self.s_min)
        yield (
            self.s_max >= self.s_min and 0 < self.s_max < math.inf,
            "s_max",
            f"{self.s_max} must be finite, above 0 and at least s_min ({self.s_min})",
        )
        yield 0 < self.zeta <= 1, "zeta", f"{self.zeta} is outside (0, 1]; 1 turns damping off"


@dataclass(frozen=True, kw_only=True)
class AdaptiveSkip(Adaptive):
    """TinyPropv2: `Adaptive`, without learning at all from samples whose output-layer ratio is under a threshold."""

    name: Literal["adaptive_skip"] = "adaptive_skip"  # type: ignore[assignment]
    skip_threshold: float = 0.1

    def skipped(self, output_ratio: PerSample) -> NDArray[np.bool_] | None:
        return output_ratio < self.skip_threshold

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield (
            self.s_min < self.skip_threshold <= 1,
            "skip_threshold",
            f"{self.skip_threshold} is outside (s_min, 1] = ({self.s_min}, 1]: output ratios are never under s_min",
        )


@dataclass(frozen=True, kw_only=True)
class Budget(Policy):
    """A given share of the network's backward work, spent on the entries that carry most of the weight gradient.

    An entry is kept with a probability in proportion to the norm of the weight gradient that it stands for, and is
    scaled up by as much as it was likely to be dropped. One threshold serves the whole network and follows the budget:
    see `tinyprop.sparse.threshold`.

    Attributes:
        budget: multiply-accumulates of weight and input gradients against dense training, all layers together.
        horizon: samples over which the threshold follows the gradients.
        max_factor: the most that a kept entry is scaled up by. The gradient has no bias but from entries that are kept
            more rarely than one time in so many; 1 leaves all as they are.
    """

    name: Literal["budget"] = "budget"
    budget: float = 0.1
    horizon: int = 100
    max_factor: float = 5.0
    by_threshold: ClassVar[bool] = True

    def require_affordable(self, fixed: int, total: int) -> None:
        """Refuse a budget that leaves nothing for the hidden layers.

        Args:
            fixed, total: multiply-accumulates of what is never sparse, and of everything.

        Raises:
            RequestError: says the share of the output layer.
        """
        if fixed >= self.budget * total:
            raise RequestError(
                f"policy.budget={self.budget}: the dense output layer alone takes {fixed / total:.3f} of the backward "
                "work; raise the budget, or set policy.sparsify_output=true"
            )

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield 0 < self.budget < 1, "budget", f"{self.budget} is outside (0, 1); all of the work is policy=dense"
        yield self.horizon >= 1, "horizon", f"{self.horizon} samples is under 1"
        yield 1 <= self.max_factor < math.inf, "max_factor", f"{self.max_factor} must be finite and at least 1"
        yield (
            self.granularity == "element",
            "granularity",
            f"{self.granularity!r} is not part of a budget policy, which compares single entries",
        )
        yield (
            self.sparse_bias,
            "sparse_bias",
            f"{self.sparse_bias} is not part of a budget policy, whose kept entries stand for the dropped ones",
        )


AnyPolicy = Dense | Static | Random | Scheduled | MeProp | Adaptive | AdaptiveSkip | Budget


def _within_unit(field: str, value: float) -> Condition:
    return 0 <= value <= 1, field, f"{value} is outside [0, 1], the fraction of entries that is kept"
