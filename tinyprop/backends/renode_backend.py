"""Training with the C engine on a Cortex-M that Renode simulates, one process an epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinyprop.backends import renode_process
from tinyprop.backends.board import ANSWER_BYTES, JOB_BYTES, POOL, SAMPLES, Answer, Command, Job, Pool, Sent
from tinyprop.backends.board_training import BoardTraining
from tinyprop.backends.engine_training import Samples, Task, Trained
from tinyprop.backends.measurements import Executed, Measurements
from tinyprop.backends.renode_board import RenodeBoard
from tinyprop.backends.renode_counting import MarkCounts
from tinyprop.backends.renode_script import Logged
from tinyprop.backends.renode_settings import RenodeBackend
from tinyprop.backends.renode_watch import Mark, RenodeError
from tinyprop.cost.target import Target
from tinyprop.engine import Memory
from tinyprop.engine.host import require_ok
from tinyprop.engine.statistics import STATISTICS_BYTES

_REPORTS = 100
"""Of progress in an epoch, where not every step is logged."""
_MOST_BESIDES = 1_000_000_000
_MOST_A_MAC = {True: 100, False: 8_000}
"""Instructions that a dense training step stays under, over the multiply-accumulates of its forward pass, with an FPU
and without. An optimizer stays under as much a weight."""


class RenodeTraining(BoardTraining):
    """One network on one simulated part; see `tinyprop.backends.contract.Backend`."""

    simulator = "renode"

    def __init__(self, task: Task, settings: RenodeBackend, target: Target):
        """Ask the board how much memory the network takes.

        Raises:
            RequestError: there is no Renode, or as `BoardTraining` says.
            RenodeError: Renode cannot run the board.
        """
        renode = renode_process.find(settings.path)
        super().__init__(task, settings, target)
        self._board = RenodeBoard(renode, self.core, self.image, settings.time_limit_s)
        memory = self._ask()
        self._pool = Pool(self.description, memory)
        self._place(memory)

    def measurements(self) -> Measurements:
        return replace(super().measurements(), cycle_model=None)  # Renode tells no classes of instructions

    def train(
        self,
        samples: Samples,
        order: NDArray[np.uint32],
        learning_rate: float,
        advance: Callable[[float], None],
    ) -> Trained:
        batch = self.description.batch_size
        steps = -(-len(order) // batch)
        counted = self.counted_steps(len(order))
        counts = MarkCounts(counted, batch, len(order), self.layer_names)

        def on_mark(mark: Mark) -> None:
            before = counts.done
            counts.take(mark)
            if counts.done > before:
                advance(counts.done - before)

        logged = None if self.counts_all else Logged(counted, every=max(1, steps // _REPORTS))
        sent = self._train(samples, order, learning_rate, logged, on_mark)
        answer = sent.answer
        if not answer.diverged:
            require_ok(answer.status)
        self.engine_weights[:] = np.frombuffer(sent.weights, np.float32)
        self.training_state[:] = np.frombuffer(sent.state, np.float32)
        self._epoch += counts.executed() + Executed(stack=answer.stack)
        return Trained(answer.samples, answer.loss, sent.statistics, diverged=answer.loss if answer.diverged else None)

    def _ask(self) -> Memory:
        """What the board says of the network's memory."""
        words = self.description.words
        job = Job(Command.MEASURE | Command.SEND, description=POOL, words=len(words), weights=POOL)
        # What it sends behind its answer would be weights and state, which it does not have: nobody waits for them.
        size, end = JOB_BYTES + ANSWER_BYTES, POOL + self.engine_weights.nbytes
        content = self._board.run(job, {POOL: words}, pool_end=end, answer_bytes=size, loops=1, budget=_MOST_BESIDES)
        answer = Answer.from_bytes(content[JOB_BYTES:size])
        require_ok(answer.status)
        return answer.memory

    def _train(
        self,
        samples: Samples,
        order: NDArray[np.uint32],
        learning_rate: float,
        logged: Logged | None,
        on_mark: Callable[[Mark], None],
    ) -> Sent:
        pool, words = self._pool, self.description.words
        target = SAMPLES + samples.x.nbytes
        job = Job(
            Command.MEASURE | Command.OPEN | Command.RESTORE | Command.TRAIN | Command.SEND,
            description=pool.description,
            words=len(words),
            weights=pool.weights,
            arena=pool.arena,
            arena_bytes=self.memory.arena,
            saved_state=pool.saved_state,
            x=SAMPLES,
            target=target,
            order=target + samples.target.nbytes,
            samples=len(order),
            learning_rate=learning_rate,
            statistics=pool.statistics,
        )
        contents = {
            pool.description: words,
            pool.weights: self.engine_weights,
            pool.saved_state: self.training_state,
            job.x: samples.x,
            job.target: samples.target,
            job.order: order,
        }
        answered = (
            self.engine_weights.nbytes + self.training_state.nbytes + STATISTICS_BYTES * len(self.description.layers)
        )
        content = self._board.run(
            job,
            contents,
            pool_end=pool.end,
            answer_bytes=JOB_BYTES + ANSWER_BYTES + answered,
            loops=2,
            budget=self._budget(len(order)),
            logged=logged,
            on_mark=on_mark,
        )
        try:
            return Sent.from_bytes(content)
        except ValueError as error:
            raise RenodeError(f"Renode's board did not answer as the firmware does: {error}") from None

    def _budget(self, samples: int) -> int:
        """Instructions that an epoch stays under."""
        batches = -(-samples // self.description.batch_size)
        macs = self.description.forward_macs
        return _MOST_BESIDES + _MOST_A_MAC[self.core.fpu] * (samples * macs + batches * self.engine_weights.size)
