"""Training with the C engine on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyprop.backends.engine_training import EngineTraining, Samples, Task, Trained
from tinyprop.backends.native_settings import NativeBackend
from tinyprop.engine import HostNetwork, SelectionSums

_WORK_OF_A_CALL = 3e8
"""Multiply-accumulates between two looks at Ctrl-C: some tenths of a second."""
_WORK_OF_AN_UPDATE = 20
"""The most that an update of one weight takes, in multiply-accumulates: Adam divides and takes roots."""


class NativeTraining(EngineTraining):
    """One network in this process; see `tinyprop.backends.contract.Backend`.

    How many batches a call of the engine trains follows from the configuration alone, so that sums, too, come out the
    same on a busy machine.
    """

    def __init__(self, task: Task, settings: NativeBackend):
        super().__init__(task, settings, measure_error=True)
        self._network = HostNetwork(self.description, self.engine_weights)
        forward = self.description.forward_macs
        step = 3 * forward + _WORK_OF_AN_UPDATE * len(self.engine_weights) / task.batch_size
        self._evaluated_at_once = max(1, int(_WORK_OF_A_CALL / forward))
        self._trained_at_once = max(1, int(_WORK_OF_A_CALL / step / task.batch_size)) * task.batch_size

    @property
    def training_state(self) -> NDArray[np.float32]:
        return self._network.state

    def train(
        self,
        samples: Samples,
        order: NDArray[np.uint32],
        learning_rate: float,
        advance: Callable[[float], None],
    ) -> Trained:
        done, loss = 0, 0.0
        sums = [SelectionSums() for _ in self.description.layers]
        for part in _parts(order, self._trained_at_once):
            progress = self._network.train(samples.x, samples.target, part, learning_rate)
            done += progress.samples
            loss += progress.loss
            sums = [one + other for one, other in zip(sums, self._network.statistics(), strict=True)]
            advance(progress.samples)
            if progress.diverged:
                return Trained(done, loss, sums, diverged=progress.loss)
        return Trained(done, loss, sums)

    def outputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = _parts(self._layout.rows(x), self._evaluated_at_once)
        return self._layout.outputs(np.concatenate([self._network.forward(part) for part in parts]))


def _parts(array: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    return (array[start : start + size] for start in range(0, len(array), size))
