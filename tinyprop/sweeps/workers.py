"""Tasks in processes that may be killed at any moment.

The pools of joblib and of the standard library break when one of their workers dies, and the whole sweep with them.
Here each worker has a pipe of its own and shares no lock with the others: one that is killed takes its own task with it
and nothing else, and another is started in its place.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from tinyprop import datasets
from tinyprop.tracking.database import quiet_mlflow

_PRELOADED = ("tinyprop.cli.jobs", "tinyprop.sweeps.hydra_worker", "mlflow")
"""Imported once, in a process that workers are then forked from: each of them begins at once, and shares the memory."""
_PATIENCE = 20.0
"""Seconds that interrupted workers have to say how their runs ended."""

Work = Callable[[Any, Any], None]


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(work: Work, shared: Any, tasks: Sequence[Any], *, processes: int) -> None:
    """Call ``work(shared, task)`` for every task, in at most so many processes, in the order given.

    A task whose process dies, and one that raises, is over like the others: ``work`` leaves word of its own.

    Args:
        work: a function of a module; it and its arguments must be picklable.

    Raises:
        KeyboardInterrupt: after the workers were interrupted and have ended.
    """
    context, waiting = _context(), list(reversed(tasks))
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < processes:
                workers.append(_Worker.started(context, work, shared))
                workers[-1].give(waiting.pop())
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                if worker.answered() and waiting and worker.give(waiting[-1]):
                    waiting.pop()
                else:
                    workers.remove(worker)
                    worker.end()
    except BaseException:
        _interrupt(workers)
        raise


def start_early() -> None:
    """Begin to import what workers need, in another process, while this one has other things to do."""
    context = _context()
    quiet_mlflow()  # whose import reads the environment
    if context.get_start_method() == "forkserver":
        forkserver.ensure_running()


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection

    @classmethod
    def started(cls, context: BaseContext, work: Work, shared: Any) -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(work, shared, theirs), daemon=False)  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        return cls(process, ours)

    def give(self, task: Any) -> bool:
        """Hand a task over; False: the process is gone."""
        try:
            self.pipe.send(task)
        except OSError:
            return False
        return True

    def answered(self) -> bool:
        """Whether a worker whose pipe is ready has done its task; False: it has died."""
        try:
            self.pipe.recv()
        except (EOFError, OSError):
            return False
        return True

    def end(self) -> None:
        self.pipe.close()
        self.process.join()


def _context() -> BaseContext:
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _serve(work: Work, shared: Any, pipe: Connection) -> None:
    """What a worker does until no task comes any more."""
    # A terminal sends Ctrl-C to all processes at once: the one that started the others passes it on when it is ready.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        with datasets.remembering():
            while True:
                work(shared, pipe.recv())
                pipe.send(None)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _interrupted(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is being written down now is not to be interrupted again
    raise KeyboardInterrupt


def _interrupt(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + _PATIENCE
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
        worker.end()
