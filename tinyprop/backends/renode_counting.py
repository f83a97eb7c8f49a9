"""From logged calls of tp_mark to the instructions of each layer and phase."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from tinyprop.backends.board import JOB_LOOP, part_of
from tinyprop.backends.measurements import Executed
from tinyprop.backends.renode_watch import Mark


class MarkCounts:
    """What the steps of one epoch executed, taken from marks as they come.

    Args:
        steps: batches that are counted, from 0.
        batch: samples of a batch; ``samples`` those of the epoch, whose last batch may be short.
        layer_names: of all layers, in order.
    """

    def __init__(self, steps: Collection[int], batch: int, samples: int, layer_names: Sequence[str]):
        self._steps = frozenset(steps)
        self._batch = batch
        self._all_samples = samples
        self._layer_names = layer_names
        self._before: Mark | None = None
        self._instructions: Counter[str] = Counter()
        self._counted: set[int] = set()
        self.done = 0
        """Samples of the batches that are over."""

    def take(self, mark: Mark) -> None:
        """Note the next mark."""
        before, self._before = self._before, mark
        self.done = max(self.done, min((mark.begun - 1) * self._batch, self._all_samples))
        if before is None or before.where == JOB_LOOP or before.begun - 1 not in self._steps:
            return
        self._instructions[part_of(before.where, self._layer_names)] += mark.executed - before.executed
        if mark.begun > before.begun:
            self._counted.add(before.begun - 1)

    def executed(self) -> Executed:
        """What the counted steps executed."""
        samples = sum(min(self._batch, self._all_samples - step * self._batch) for step in self._counted)
        return Executed(len(self._counted), samples, self._instructions)
