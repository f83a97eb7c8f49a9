"""``hydra/launcher=processes``: as many runs at once as there are cores, each in a process that may die alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class ProcessLauncher(Launcher):
    """Trains runs in worker processes of this machine.

    Args:
        n_jobs: runs at once; None is one a core.
    """

    def __init__(self, n_jobs: int | None):
        self._n_jobs = n_jobs
        self._context: HydraContext | None = None
        self._function: TaskFunction | None = None
        self._config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context, self._function, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Returns nothing: how a run ended is in the multirun's directory."""
        from tinyprop.sweeps.hydra_worker import train
        from tinyprop.sweeps.workers import cores, run_all

        setup_globals()
        shared = (self._context, self._config, self._function)
        tasks: list[Any] = [(initial_job_idx + index, list(lines)) for index, lines in enumerate(job_overrides)]
        run_all(train, shared, tasks, processes=self._n_jobs or cores())
        return []
