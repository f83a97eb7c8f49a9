"""``hydra/sweeper=grid``: the runs that a command line asks for, launched until all have ended."""

from __future__ import annotations

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(Sweeper):
    """Carries out the plan that ``tinyprop train -m`` has made of the command line.

    Args:
        params: more to sweep over; the command line's composition has taken it in already.
        retry_failed, losses: see `tinyprop.sweeps.rounds.Plan.complete`.
    """

    def __init__(self, params: dict[str, str], retry_failed: bool, losses: int):
        self._retry_failed = retry_failed
        self._losses = losses
        self._launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from tinyprop.sweeps.rounds import current

        assert self._launcher is not None, "Hydra calls setup first"
        current().complete(self._launcher, losses=self._losses, retry_failed=self._retry_failed)
