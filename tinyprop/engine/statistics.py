"""What the engine counts of one layer's selections: ``tp_statistics`` of c/tinyprop.h."""

from __future__ import annotations

import struct
from dataclasses import dataclass

STATISTICS_BYTES = 36


@dataclass(frozen=True)
class SelectionSums:
    """Sums over some batches of one layer.

    Attributes:
        kept_rows: weight rows with a kept entry, added up over the batches.
        kept_patches: of a convolution, output positions with a kept entry, of each group for itself, added up over the
            samples; 0 of a linear layer.
        ratio, local_error: added up over the samples; ``local_error`` is 0 where it was not measured.
    """

    steps: int = 0
    samples: int = 0
    kept: int = 0
    kept_rows: int = 0
    kept_patches: int = 0
    ratio: float = 0.0
    local_error: float = 0.0

    @classmethod
    def from_bytes(cls, content: bytes) -> SelectionSums:
        """From a ``tp_statistics`` as it lies in memory, little-endian."""
        steps, samples, kept, kept_rows, kept_patches, ratio, local_error, *carries = struct.unpack("<5I4f", content)
        # Kahan's sums: what they have taken in too much so far stands in the carries.
        return cls(steps, samples, kept, kept_rows, kept_patches, ratio - carries[0], local_error - carries[1])

    def __add__(self, other: SelectionSums) -> SelectionSums:
        return SelectionSums(
            self.steps + other.steps,
            self.samples + other.samples,
            self.kept + other.kept,
            self.kept_rows + other.kept_rows,
            self.kept_patches + other.kept_patches,
            self.ratio + other.ratio,
            self.local_error + other.local_error,
        )
