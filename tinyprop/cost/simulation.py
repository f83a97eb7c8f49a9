"""One training step after the other in the simulated engine, with exact counts and what its numbers were like.

For calibration and validation only: unlike the rest of this package it needs Unicorn and the firmware images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import unicorn
from numpy.typing import NDArray
from unicorn import arm_const

from tinyprop.backends.board import (
    ANSWER_BYTES,
    JOB_BYTES,
    POOL,
    SAMPLES,
    STACK_TOP,
    Answer,
    Command,
    Job,
    Pool,
    statistics_from,
)
from tinyprop.backends.unicorn_counting import BlockCosts
from tinyprop.backends.unicorn_emulator import Emulator, Passage
from tinyprop.cost.cycles import TIMINGS
from tinyprop.cost.layers import layers_of
from tinyprop.cost.observation import Observer
from tinyprop.cost.predict import Cost
from tinyprop.cost.step import Activity, TrainingStep
from tinyprop.engine.description import Description, describe
from tinyprop.engine.host import Memory, require_ok
from tinyprop.engine.image import Image
from tinyprop.engine.images import core_of, load
from tinyprop.engine.statistics import STATISTICS_BYTES
from tinyprop.engine.weights import WeightLayout


@dataclass(frozen=True)
class Counted:
    """Means of some simulated steps.

    Attributes:
        parts: by layer and phase, as `tinyprop.cost.predict.Prediction.parts`.
        activity: what was kept and what was zero, by trainable layer.
        stack: bytes used.
    """

    parts: Mapping[str, Cost]
    activity: Mapping[str, Activity]
    stack: int


@dataclass(frozen=True)
class Data:
    """What is trained on: inputs (samples, numbers) in the engine's layout, targets, and initial weights by name."""

    x: NDArray[np.float32]
    target: NDArray[np.uint32] | NDArray[np.float32]
    weights: Mapping[str, NDArray[np.float32]]


class Board:
    """One network on one simulated core.

    Attributes:
        memory: what the firmware says that the network takes.
    """

    def __init__(self, step: TrainingStep, core: str):
        """Open the network; its weights are 0.

        Raises:
            RequestError: there is no image for the core, or the engine refuses the network.
        """
        self._step = step
        self._image = load(core_of(core))
        self._emulator = _Watched(self._image, core)
        names = [layer.name for layer in layers_of(step.specification)]
        self._costs = BlockCosts(self._emulator.read, TIMINGS[core], names)
        self._entry = self._image.entry
        self._description = _describe(step)
        words = self._description.words.tobytes()
        self._emulator.map(POOL, len(words))
        self._emulator.write(POOL, words)
        asked = Job(Command.MEASURE, description=POOL, words=len(self._description.words))
        self.memory = self._run(asked)[0].memory
        self._pool = pool = Pool(self._description, self.memory)
        self._emulator.map(POOL, pool.end - POOL)
        self._emulator.write(pool.description, words)
        self._observer = Observer(step, self._emulator.read, self.memory, pool.arena)
        self._emulator.tell = self._observer.look
        self._job = replace(
            asked,
            description=pool.description,
            weights=pool.weights,
            arena=pool.arena,
            arena_bytes=self.memory.arena,
            statistics=pool.statistics,
        )

    def train(self, data: Data, learning_rate: float, *, before: int = 1, counted: int = 2) -> Counted:
        """Train from the initial weights on batch after batch of the data, in order and from the start again.

        Args:
            before: batches that are not counted, after which running maxima and moments are no longer empty.
            counted: batches that are.
        """
        batch = self._step.batch_size
        order = np.resize(np.arange(len(data.x), dtype=np.uint32), (before + counted) * batch)
        target = SAMPLES + data.x.nbytes
        self._emulator.map(SAMPLES, data.x.nbytes + data.target.nbytes + order.nbytes)
        self._emulator.write(SAMPLES, data.x.tobytes() + data.target.tobytes() + order.tobytes())
        weights = WeightLayout(self._step.specification).pack(data.weights)
        self._emulator.write(self._pool.weights, weights.tobytes())
        start = target + data.target.nbytes
        job = replace(self._job, x=SAMPLES, target=target, order=start, learning_rate=learning_rate)
        opened, _ = self._run(replace(job, commands=Command.OPEN))
        if before:
            self._run(replace(job, commands=Command.TRAIN, samples=before * batch))
        sums = []
        parts: dict[str, Cost] = {}
        self._observer.clear()
        for index in range(before, before + counted):
            self._observer.look_at_moments(opened.state)
            job = replace(job, commands=Command.CLEAR | Command.TRAIN, samples=batch, order=start + 4 * index * batch)
            answer, passages = self._run(job, counting=True)
            content = self._emulator.read(self._pool.statistics, STATISTICS_BYTES * len(self._description.layers))
            sums.append(statistics_from(content))
            for name, cost in self._costs.parts(passages).items():
                parts[name] = parts.get(name, Cost()) + cost
        means = {name: _share(cost, counted) for name, cost in parts.items()}
        return Counted(means, self._observer.activity(sums), answer.stack)

    def _run(self, job: Job, *, counting: bool = False) -> tuple[Answer, Mapping[int, list[Passage]]]:
        address = self._image.symbols["tp_job"]
        self._emulator.write(address, job.to_bytes())
        arguments = (self._entry, STACK_TOP, self._image.symbols["tp_halt"])
        passages: Mapping[int, list[Passage]] = {}
        if counting:
            passages = self._emulator.count(*arguments)
        else:
            self._emulator.run(*arguments)
        self._entry = self._image.symbols["tp_run"]
        answer = Answer.from_bytes(self._emulator.read(address + JOB_BYTES, ANSWER_BYTES))
        require_ok(answer.status)
        return answer, passages


class _Watched(Emulator):
    """Tells someone of every call of tp_mark before it goes on."""

    def __init__(self, image: Image, core: str):
        super().__init__(image, core)
        self.tell: Callable[[int], None] = lambda mark: None
        mark = image.symbols["tp_mark"]
        self._uc.hook_add(unicorn.UC_HOOK_CODE, self._called, begin=mark, end=mark)

    def _called(self, uc: unicorn.Uc, address: int, size: int, data: object) -> None:
        self.tell(uc.reg_read(arm_const.UC_ARM_REG_R0))


def firmware_memory(step: TrainingStep, core: str) -> Memory:
    """What the firmware says that a network takes."""
    return Board(step, core).memory


def _describe(step: TrainingStep) -> Description:
    return describe(
        step.specification,
        step.policy,
        step.optimizer,
        batch_size=step.batch_size,
        micro_batch=step.micro_batch,
        skip_zeros=step.skip_zeros,
    )


def _share(cost: Cost, steps: int) -> Cost:
    return Cost(cost.instructions / steps, cost.cycles / steps, cost.jumps / steps)
