"""Training on a simulated board, apart from the simulator: the image, the figures, and whether the part suffices.

Accuracy is evaluated on this machine, by PyTorch, with the weights that the board has trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyprop.backends.board_settings import BoardBackend
from tinyprop.backends.contract import Epoch
from tinyprop.backends.engine_training import EngineTraining, Task
from tinyprop.backends.measurements import Executed, Measurements
from tinyprop.cost.cycles import TIMINGS
from tinyprop.cost.footprint import footprint_of
from tinyprop.cost.target import Target
from tinyprop.engine import Memory, images
from tinyprop.errors import RequestError

STACK_RESERVE = 2048
"""Bytes of stack that a network is expected to need before any was seen."""

SAMPLED_STEPS = 4
"""Steps of an epoch that are counted at most where not all are."""
_STEPS_A_SAMPLE = 25
"""A counted step may take fifteen times as long as another."""
_SAMPLED = f"up to {SAMPLED_STEPS} steps of each epoch, spread evenly"


class BoardTraining(EngineTraining):
    """One network on one simulated part.

    A subclass calls `_place` before it trains, with what the board says of the network's memory, keeps `_epoch` up to
    date while an epoch is trained, and has `simulator`.
    """

    simulator: ClassVar[str]

    def __init__(self, task: Task, settings: BoardBackend, target: Target):
        """Describe a network to the board.

        Raises:
            RequestError: the engine cannot run the network, there is no image for the core, or the network must fit
                the target and does not.
        """
        super().__init__(task, settings, measure_error=False)
        self._settings: BoardBackend = settings
        self._target = target
        self._specification = task.specification
        self.core = images.core_of(target.core)
        self.image = images.load(self.core)
        self.layer_names = [name for name, _, _ in task.specification.named_layers()]
        self.memory: Memory
        self._training_state: NDArray[np.float32]
        self._epoch = Executed()
        self._run = Executed()

    @property
    def counts_all(self) -> bool:
        """Whether every step is counted."""
        return self._settings.count == "all"

    def counted_steps(self, samples: int) -> Sequence[int]:
        """Which steps of an epoch of so many samples are counted; of a sample, whole batches only."""
        batch = self.description.batch_size
        return range(-(-samples // batch)) if self.counts_all else sampled_steps(samples // batch or 1)

    @property
    def training_state(self) -> NDArray[np.float32]:
        return self._training_state

    def train_epoch(self, *arguments: Any) -> Epoch:
        self._epoch = Executed()
        epoch = super().train_epoch(*arguments)
        self._run += self._epoch
        return Epoch(epoch.loss, epoch.layers, self._epoch)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "executed": self._run.as_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self._run = Executed(**state["executed"])

    def measurements(self) -> Measurements:
        return Measurements(
            simulator=self.simulator,
            executed=self._run,
            counted="every step" if self.counts_all else _SAMPLED,
            cycle_model=TIMINGS[self.core.name].source,
            memory=footprint_of(
                self._target,
                self._specification,
                self.memory,
                self.image,
                held=self._settings.micro_batch or self.description.batch_size,
                stack=self._run.stack or STACK_RESERVE,
            ),
        )

    def _place(self, memory: Memory) -> None:
        """Take over what the board says of the network's memory, and refuse what does not fit if that was asked for."""
        self.memory = memory
        self._training_state = np.zeros(memory.state, np.float32)
        lacking = self.measurements().memory.lacking
        if self._settings.require_fit and lacking:
            raise RequestError(
                f"backend.require_fit=true: training this network needs {' and '.join(lacking)}. Take a smaller model= "
                "or backend.micro_batch=, another target=, or backend.require_fit=false to simulate it all the same"
            )


def sampled_steps(steps: int) -> list[int]:
    """Which of so many steps are counted: the middles of equal stretches, and at least one."""
    count = min(max(1, steps // _STEPS_A_SAMPLE), SAMPLED_STEPS)
    return [(2 * index + 1) * steps // (2 * count) for index in range(count)]
