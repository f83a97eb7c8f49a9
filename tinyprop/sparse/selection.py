"""Which entries of an output gradient are kept: top-k, with a k of its own for each sample and no loop over samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tinyprop.sparse.policies import Policy


@dataclass(frozen=True)
class Selection:
    """What one backward step of one layer keeps.

    Attributes:
        mask: True where an entry is kept, bool; shape (B, n), or (B, n, 1) if n channels of several positions each were
            ranked. None: everything is kept.
        ratio: r of each sample, shape (B,).
        counts: k of each sample, int64, shape (B,).
        skipped: samples that the output layer takes out of the whole backward pass, bool (B,), or None.
    """

    mask: Tensor | None
    ratio: Tensor
    counts: Tensor
    skipped: Tensor | None = None


def keep_largest(magnitude: Tensor, k: Tensor) -> Tensor:
    """The k[b] largest entries of each row, ties going to the lowest index.

    Args:
        magnitude: shape (B, n), none negative.
        k: int64, shape (B,), each in 0…n.

    Returns:
        bool, shape (B, n), with k[b] entries True in row b.
    """
    k = k.unsqueeze(1)
    most = int(k.max()) if k.numel() else 0
    if most == 0:
        return torch.zeros_like(magnitude, dtype=torch.bool)
    # The row's k-th largest value is its threshold: sorting only so far is several times cheaper than ranking all.
    threshold = magnitude.topk(most, dim=1).values.gather(1, (k - 1).clamp_(min=0))
    kept = (magnitude >= threshold) & (k > 0)
    if int(kept.sum()) != int(k.sum()):
        above = magnitude > threshold
        tied = magnitude == threshold
        wanted = k - above.sum(dim=1, keepdim=True)
        kept = (above & (k > 0)) | (tied & (tied.cumsum(dim=1) <= wanted))
    return kept


def select(
    gradient: Tensor,
    local_error: Tensor,
    local_error_max: Tensor,
    *,
    policy: Policy,
    depth: int,
    generator: torch.Generator | None = None,
) -> Selection:
    """Steps 2 and 3 of the method for one layer and batch.

    Args:
        gradient: G, shape (B, n), or (B, channels, positions) where whole channels are ranked.
        local_error: Y of the per-sample loss, shape (B,).
        local_error_max: the running maximum of Y, this batch included.
        depth: d, trainable layers between this one and the output.
        generator: where a policy that draws by lot draws from.
    """
    magnitude = gradient.abs()
    if gradient.dim() == 3:
        magnitude = magnitude.sum(dim=2)
    entries = magnitude.shape[1]
    ratio = policy.ratios(local_error, local_error_max, depth, entries)
    counts = policy.counts(ratio, entries)
    # A sample that is already right has nothing to learn from; a gradient that is no number must stay visible.
    wrong = local_error > 0
    ratio, counts = ratio * wrong, counts * wrong
    undefined = ~local_error.isfinite()
    if bool(undefined.any()):
        ratio, counts = ratio.masked_fill(undefined, 1), counts.masked_fill(undefined, entries)

    if policy.at_random:
        magnitude = torch.rand(magnitude.shape, generator=generator, dtype=torch.float32).to(magnitude.device)
    if policy.batch_shared:
        kept = keep_largest(magnitude.sum(dim=0, keepdim=True), counts.max().unsqueeze(0)) & wrong.unsqueeze(1)
    else:
        kept = keep_largest(magnitude, counts)
    return Selection(kept.unsqueeze(2) if gradient.dim() == 3 else kept, ratio, counts)
