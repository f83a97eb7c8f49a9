"""The selection of `Budget`: one threshold for the whole network, and the control that makes it hold the budget.

Notation as in `tinyprop.sparse.policies`; m inputs of one output, x_b a sample's input, c the multiply-accumulates that
an entry costs when it is kept: m for the weight gradient, and m again where there is an input gradient.

    s_b  = sqrt((m·mean(x_b²) + 1) / (m + 1))    an entry's weight gradient, bias included, has norm |G|·s_b·sqrt(m + 1)
    t_b  = τ/s_b                                 entries of this magnitude and above are kept for certain
    u_b  uniform in [0, 1)                       one draw for each sample and layer
    keep G[b, j] where |G[b, j]| > u_b·t_b, multiplied by clamp(t_b/|G[b, j]|, 1, max_factor)

An entry is kept with probability min(1, |G|·s/τ), and its factor is one over that, so its expectation is G: the
gradient has no bias. Only where factors are cut off it has: rare large steps cost more than they teach. Of all unbiased
selections of the same expected cost, the one whose probabilities are in proportion to the norm of what is sampled, over
the root of its cost, has the smallest variance; |G|·s is that, for the weight gradient.

After each batch of B samples, with e = spent/(budget·total) − 1 and ρ = B/(B + horizon):

    debt += ρ·e,    τ *= exp(clamp(ρ·(e + debt/4), −2, 2))

The debt makes what was spent too much early be saved later, so the mean over a training is the budget. A quarter damps
this critically where the spending is inversely proportional to τ. No step is taken where τ has no say: too little was
spent although no gradient was dropped, or too much although none was selected. Until there is a τ, a sample's own mean
stands for it: t_b = mean_j |G[b, j]|·ln(1/budget), right if magnitudes are distributed exponentially. The first batch
counts as debt alone, and the mean of its scores |G|·s, weighted by c, times ln(1/budget) is the first τ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyprop.sparse.policies import Budget, PerSample
from tinyprop.sparse.selection import Selection

PERIOD = 1 << 24
"""Samples after which draws repeat: as far as a float32 counts exactly, which is what the C engine keeps."""
_MOST = 2.0
"""Of the change of ln τ in a step."""


class ThresholdState(nn.Module):
    """What a threshold goes on from after an interruption; a part of the output layer, so that it is saved with it."""

    value: Tensor
    """τ; 0 before the first batch that has a gradient."""
    debt: Tensor
    samples: Tensor
    """Samples trained on, modulo `PERIOD`."""

    def __init__(self, like: Tensor):
        super().__init__()
        self.register_buffer("value", torch.zeros((), dtype=like.dtype, device=like.device))
        self.register_buffer("debt", torch.zeros((), dtype=like.dtype, device=like.device))
        self.register_buffer("samples", torch.zeros((), dtype=torch.int64, device=like.device))


@dataclass
class _Spending:
    """Of the batch under way, in multiply-accumulates."""

    kept: int = 0
    fixed: int = 0
    """Of what is kept, in a layer that keeps everything."""
    total: int = 0
    scores: float = 0.0
    """Σ c·|G|·s."""
    selected: bool = False
    dropped: bool = False
    """Whether an entry that is not zero was dropped."""


class Threshold:
    """Selects for all layers of one network."""

    def __init__(self, policy: Budget, state: ThresholdState):
        self._policy = policy
        self._state = state
        self._spending = _Spending()

    def spend_all(self, samples: int, entries: int, macs: int) -> None:
        """Count a layer that keeps everything; ``macs`` is c."""
        macs *= samples * entries
        self._spending.kept += macs
        self._spending.fixed += macs
        self._spending.total += macs

    def select(
        self, magnitude: Tensor, local_error: PerSample, x: Tensor, *, scale: float, depth: int, fan_in: int, macs: int
    ) -> Selection:
        """Which entries of one layer's gradient are kept, and what they are raised to.

        Args:
            magnitude: |G|, shape (B, n), of any constant multiple of the per-sample loss.
            local_error: Y of the per-sample loss, shape (B,).
            x: the layer's input, shape (B, …).
            scale: that multiple: 1/B under a loss that is a mean.
            depth: d.
            fan_in: m.
            macs: c.
        """
        samples, entries = magnitude.shape
        norm = self._input_norm(x, fan_in, local_error.dtype)
        value = local_error.dtype.type(float(self._state.value))
        own = local_error / entries * local_error.dtype.type(self._unspent())
        certain = value / norm if value > 0 else own
        drawn = draws(int(self._state.samples) + np.arange(samples), depth).astype(local_error.dtype)
        least = _column(certain * scale, magnitude)
        bar = _column(certain * drawn * scale, magnitude)
        mask = ~(magnitude <= bar)  # true of what is no number, so that a divergence stays visible
        factor = torch.where(mask, least / magnitude, 1).clamp(1, self._policy.max_factor)
        counts: NDArray[np.int64] = mask.sum(dim=1).cpu().numpy()

        spending, kept = self._spending, int(counts.sum())
        spending.kept += kept * macs
        spending.total += samples * entries * macs
        spending.scores += float((local_error * norm).sum()) * macs
        spending.selected |= kept > 0
        spending.dropped |= kept < int(magnitude.count_nonzero())
        return Selection(mask, (counts / entries).astype(local_error.dtype), counts, factor)

    def end_batch(self, samples: int) -> None:
        """Let the threshold follow what the batch has spent."""
        spent, self._spending = self._spending, _Spending()
        state, policy = self._state, self._policy
        state.samples.fill_((int(state.samples) + samples) % PERIOD)
        value = float(state.value)
        if value == 0:
            policy.require_affordable(spent.fixed, spent.total)
            state.value.fill_(spent.scores / spent.total * self._unspent())
        excess = spent.kept / (policy.budget * spent.total) - 1
        if (excess < 0 and not spent.dropped) or (excess > 0 and not spent.selected):
            return
        rate = samples / (samples + policy.horizon)
        state.debt += rate * excess
        if value > 0:
            change = rate * (excess + float(state.debt) / 4)
            state.value.fill_(value * math.exp(min(max(change, -_MOST), _MOST)))

    def _unspent(self) -> float:
        return math.log(1 / self._policy.budget)

    def _input_norm(self, x: Tensor, fan_in: int, dtype: np.dtype[np.floating]) -> PerSample:
        """s of each sample, shape (B,)."""
        square = x.detach().flatten(1).to(torch.float64 if dtype == np.float64 else torch.float32).square().mean(dim=1)
        norm: PerSample = ((square * fan_in + 1) / (fan_in + 1)).sqrt().cpu().numpy()
        return norm


def draws(sample: NDArray[np.int64], depth: int) -> NDArray[np.float32]:
    """Numbers in [0, 1) that look random, multiples of 2⁻²⁴: one for each sample, counted from the start of training.

    They are hashes of sample and layer, so they need no state and are the same wherever a network trains. The mixing is
    that of lowbias32 (C. Wellons, 2018, public domain).
    """
    with np.errstate(over="ignore"):
        h = (sample % PERIOD).astype(np.uint32) * np.uint32(0x9E3779B9) + np.uint32((depth + 1) * 0x85EBCA6B % 2**32)
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            h = (h ^ h >> np.uint32(shift)) * np.uint32(factor)
        h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def _column(values: PerSample, like: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(values)).to(like.device, like.dtype).unsqueeze(1)
