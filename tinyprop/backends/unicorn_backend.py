"""Training with the C engine on a Cortex-M that Unicorn simulates in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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
from tinyprop.backends.board_training import BoardTraining
from tinyprop.backends.engine_training import Samples, Task, Trained
from tinyprop.backends.unicorn_counting import BlockCosts
from tinyprop.backends.unicorn_emulator import Emulator
from tinyprop.backends.unicorn_settings import UnicornBackend
from tinyprop.cost.cycles import TIMINGS
from tinyprop.cost.target import Target
from tinyprop.engine.host import require_ok
from tinyprop.engine.statistics import STATISTICS_BYTES

_CHUNK_INSTRUCTIONS = 4e7
"""Between two reports of progress: some tenths of a second."""
_INSTRUCTIONS_A_MAC = {True: 5, False: 400}
"""Roughly, of a dense training step over the multiply-accumulates of its forward pass: with an FPU and without."""
_SLOWER = 8
"""Times that a counted step takes another's time."""


class UnicornTraining(BoardTraining):
    """One network on one simulated part; see `tinyprop.backends.contract.Backend`.

    The board is called with a number of batches that follows from the network alone, so that the same run gives the
    same numbers on a busy machine.
    """

    simulator = "unicorn"

    def __init__(self, task: Task, settings: UnicornBackend, target: Target):
        super().__init__(task, settings, target)
        self._emulator = Emulator(self.image, self.core.name)
        self._costs = BlockCosts(self._emulator.read, TIMINGS[self.core.name], self.layer_names)
        self._placed: Samples | None = None
        self._open()
        a_sample = self.description.forward_macs * _INSTRUCTIONS_A_MAC[self.core.fpu]
        chunk = _CHUNK_INSTRUCTIONS / (a_sample * task.batch_size)
        self._chunk_batches = max(1, int(chunk))

    def train(
        self,
        samples: Samples,
        order: NDArray[np.uint32],
        learning_rate: float,
        advance: Callable[[float], None],
    ) -> Trained:
        self._place_samples(samples, order)
        write, pool = self._emulator.write, self._pool
        write(pool.weights, self.engine_weights.tobytes())
        write(pool.saved_state, self.training_state.tobytes())
        job = replace(self._job, commands=Command.OPEN | Command.RESTORE, learning_rate=learning_rate)
        answer = self._run_job(job)
        done, loss = 0, 0.0
        for first, count, counts in self._chunks(len(order)):
            job = replace(job, commands=Command.TRAIN, order=self._order + 4 * first, samples=count)
            answer = self._run_job(job, counts=counts)
            done += answer.samples
            loss += answer.loss
            advance(answer.samples)
            if answer.diverged:
                break
        read = self._emulator.read
        self.engine_weights[:] = np.frombuffer(read(pool.weights, self.engine_weights.nbytes), np.float32)
        self.training_state[:] = np.frombuffer(read(answer.state, self.training_state.nbytes), np.float32)
        sums = statistics_from(read(pool.statistics, STATISTICS_BYTES * answer.layers))
        self._epoch = replace(self._epoch, stack=answer.stack)
        return Trained(done, loss, sums, diverged=answer.loss if answer.diverged else None)

    def _open(self) -> None:
        """Ask the board how much memory the network takes, and provide it."""
        words = self.description.words.tobytes()
        self._emulator.map(POOL, len(words))
        self._emulator.write(POOL, words)
        asked = Job(Command.MEASURE, description=POOL, words=len(self.description.words))
        self._entry = self.image.entry
        memory = self._run_job(asked).memory
        self._pool = pool = Pool(self.description, memory)
        self._emulator.map(POOL, pool.end - POOL)
        self._emulator.write(pool.description, words)
        self._job = replace(
            asked,
            description=pool.description,
            weights=pool.weights,
            arena=pool.arena,
            arena_bytes=memory.arena,
            saved_state=pool.saved_state,
            statistics=pool.statistics,
        )
        self._place(memory)
        self._emulator.write(pool.weights, self.engine_weights.tobytes())
        opened = self._run_job(replace(self._job, commands=Command.OPEN))
        state = self._emulator.read(opened.state, self.training_state.nbytes)
        self.training_state[:] = np.frombuffer(state, np.float32)

    def _place_samples(self, samples: Samples, order: NDArray[np.uint32]) -> None:
        """Put the training data into the board's memory, once, and the order, each time."""
        if self._placed is not samples:
            self._emulator.map(SAMPLES, samples.x.nbytes + samples.target.nbytes + 4 * len(samples.x))
            self._emulator.write(SAMPLES, samples.x.tobytes())
            self._emulator.write(SAMPLES + samples.x.nbytes, samples.target.tobytes())
            target = SAMPLES + samples.x.nbytes
            self._order = target + samples.target.nbytes
            self._job = replace(self._job, x=SAMPLES, target=target)
            self._placed = samples
        self._emulator.write(self._order, order.tobytes())

    def _chunks(self, samples: int) -> Iterator[tuple[int, int, bool]]:
        """First sample, number of samples and whether they are counted, of each call; whole batches."""
        batch = self.description.batch_size
        batches = -(-samples // batch)
        counted = self.counted_steps(samples)
        start = 0
        while start < batches:
            counts, end = start in counted, start + 1
            longest = max(1, self._chunk_batches // _SLOWER) if counts else self._chunk_batches
            while end < min(start + longest, batches) and (end in counted) == counts:
                end += 1
            yield start * batch, min(end * batch, samples) - start * batch, counts
            start = end

    def _run_job(self, job: Job, *, counts: bool = False) -> Answer:
        address = self.image.symbols["tp_job"]
        self._emulator.write(address, job.to_bytes())
        arguments = (self._entry, STACK_TOP, self.image.symbols["tp_halt"])
        if counts:
            passages = self._emulator.count(*arguments)
            steps = -(-job.samples // self.description.batch_size)
            self._epoch += self._costs.executed(passages, steps=steps, samples=job.samples)
        else:
            self._emulator.run(*arguments)
        self._entry = self.image.symbols["tp_run"]
        answer = Answer.from_bytes(self._emulator.read(address + JOB_BYTES, ANSWER_BYTES))
        if not answer.diverged:
            require_ok(answer.status)
        return answer
