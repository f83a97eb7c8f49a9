"""Which entries of an output gradient are kept: top-k, with a k of its own for each sample and no loop over samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tinyprop.sparse.policies import PerSample, Policy


@dataclass(frozen=True)
class Selection:
    """What one backward step of one layer keeps.

    Attributes:
        mask: True where an entry is kept, bool; shape (B, n), or (B, n, 1) if n channels of several positions each were
            ranked. None: everything is kept.
        ratio: r of each sample, shape (B,).
        counts: k of each sample, shape (B,).
        factor: what kept entries are multiplied by, shape (B, n); None: they stay as they are.
    """

    mask: Tensor | None
    ratio: PerSample
    counts: NDArray[np.int64]
    factor: Tensor | None = None


def keep_largest(magnitude: Tensor, k: Tensor) -> Tensor:
    """The k[b] largest entries of each row, ties going to the lowest index.

    Args:
        magnitude: shape (B, n), none negative.
        k: int64, shape (B,), each in 0…n.

    Returns:
        bool, shape (B, n), with k[b] entries True in row b.
    """
    return _keep_largest(magnitude, k.cpu().numpy())


def select(
    magnitude: Tensor,
    local_error: PerSample,
    local_error_max: float,
    *,
    policy: Policy,
    depth: int,
    generator: torch.Generator | None = None,
) -> Selection:
    """Steps 2 and 3 of the method for one layer and batch.

    Args:
        magnitude: |G|, shape (B, n), or (B, channels, positions) where whole channels are ranked.
        local_error: Y of the per-sample loss, shape (B,).
        local_error_max: the running maximum of Y, this batch included.
        depth: d, trainable layers between this one and the output.
        generator: where a policy that draws by lot draws from.
    """
    by_channel = magnitude.dim() == 3
    ranked = magnitude.sum(dim=2) if by_channel else magnitude
    entries = ranked.shape[1]
    ratio = policy.ratios(local_error, local_error_max, depth, entries)
    # A sample that is already right has nothing to learn from; a gradient that is no number must stay visible.
    undefined = ~np.isfinite(local_error)
    wrong = (local_error > 0) | undefined
    ratio = np.where(undefined, local_error.dtype.type(1), ratio) * wrong
    counts = policy.counts(ratio, entries) * wrong

    if policy.at_random:
        ranked = torch.rand(ranked.shape, generator=generator, dtype=torch.float32).to(ranked.device)
    if policy.batch_shared:
        kept = _keep_largest(ranked.sum(dim=0, keepdim=True), counts.max(keepdims=True))
        kept = kept & torch.from_numpy(wrong).to(kept.device).unsqueeze(1)
    else:
        kept = _keep_largest(ranked, counts)
    return Selection(kept.unsqueeze(2) if by_channel else kept, ratio, counts)


def _keep_largest(magnitude: Tensor, k: NDArray[np.int64]) -> Tensor:
    total = int(k.sum())
    if total == 0:
        return torch.zeros_like(magnitude, dtype=torch.bool)
    threshold = _kth_largest(magnitude, k)
    kept = magnitude >= threshold
    if int(kept.count_nonzero()) != total:
        wanted = torch.from_numpy(k).to(magnitude.device).unsqueeze(1)
        above, tied = magnitude > threshold, magnitude == threshold
        kept = above | (tied & (tied.cumsum(dim=1) <= wanted - above.sum(dim=1, keepdim=True)))
    return kept


def _kth_largest(magnitude: Tensor, k: NDArray[np.int64]) -> Tensor:
    """The k[b]-th largest value of each row, shape (B, 1); infinity where k[b] is 0."""
    rank, most = k[:, None], int(k.max())
    if magnitude.device.type != "cpu":
        largest = magnitude.topk(most, dim=1).values
        values = largest.gather(1, torch.from_numpy(rank - 1).clamp_(min=0).to(magnitude.device))
        return values.masked_fill_(torch.from_numpy(rank == 0).to(magnitude.device), torch.inf)
    # On a CPU numpy sorts and partitions two to twelve times faster than torch; floats that it lacks fit into its own.
    own = magnitude if magnitude.dtype in (torch.float32, torch.float64) else magnitude.float()
    rows, entries = own.numpy(), own.shape[1]
    if (k == most).all():
        found = np.partition(rows, entries - most, axis=1)[:, entries - most, None]
    else:
        found = np.take_along_axis(np.sort(rows, axis=1), np.minimum(entries - rank, entries - 1), axis=1)
        found[rank == 0] = np.inf
    return torch.from_numpy(found)
