"""Training with the C engine on this machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tinyprop.backends.engine_training import EngineTraining, Samples, Trained
from tinyprop.backends.native_settings import NativeBackend
from tinyprop.engine import HostNetwork, SelectionSums
from tinyprop.models.specification import NetworkSpecification
from tinyprop.sparse import AnyPolicy
from tinyprop.training.optimizer import AnyOptimizer

_CHUNK_MACS = 3e8
"""Multiply-accumulates of forward passes between two looks at Ctrl-C: some tenths of a second."""


class NativeTraining(EngineTraining):
    """One network in this process; see `tinyprop.backends.contract.Backend`.

    The engine is called with a number of batches that follows from the network alone, so that the same run gives the
    same bits on a busy machine.
    """

    def __init__(
        self,
        module: nn.Module,
        specification: NetworkSpecification,
        *,
        policy: AnyPolicy,
        optimizer: AnyOptimizer,
        batch_size: int,
        settings: NativeBackend,
    ):
        super().__init__(
            module,
            specification,
            policy=policy,
            optimizer=optimizer,
            batch_size=batch_size,
            settings=settings,
            measure_error=True,
        )
        self._network = HostNetwork(self.description, self.engine_weights)
        macs = sum(layer.units * layer.positions * layer.fan_in for layer in self.description.layers)
        self._chunk = max(1, int(_CHUNK_MACS / macs))

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
        batch = self.description.batch_size
        chunk = max(1, self._chunk // 3 // batch) * batch  # a step is up to three forward passes
        done, loss = 0, 0.0
        sums = [SelectionSums() for _ in self.description.layers]
        for start in range(0, len(order), chunk):
            progress = self._network.train(
                samples.x, samples.target, order[start : start + chunk], learning_rate
            )
            done += progress.samples
            loss += progress.loss
            sums = [one + other for one, other in zip(sums, self._network.statistics(), strict=True)]
            advance(progress.samples)
            if progress.diverged:
                return Trained(done, loss, sums, diverged=progress.loss)
        return Trained(done, loss, sums)

    def outputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = self._layout.rows(x)
        parts = [self._network.forward(rows[start : start + self._chunk]) for start in range(0, len(rows), self._chunk)]
        return self._layout.outputs(np.concatenate(parts))
