"""The phases of a training step, as the engine marks them where they begin."""

from __future__ import annotations

MARKED = ("other", "forward", "select", "input_gradient", "weight_gradient", "update")
"""By the lower byte of what tp_mark is called with: ``tp_phase`` of c/tinyprop.h."""
PHASES = (*MARKED[1:], MARKED[0])
"""As reports list them. The weight gradient has the update in it where both are one; ``other`` is what goes on around
batches."""
