"""What our sweepers have in common. Hydra looks for plugins in no module whose name begins with an underscore."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LaunchingSweeper(Sweeper):
    """Has what ``tinyprop train -m`` has planned carried out by whatever launcher was chosen.

    Args:
        retry_failed, losses: see `tinyprop.sweeps.rounds.Plan.complete`.
        settings: the sweeper's own, which the command line's composition has read and checked already.
    """

    def __init__(self, retry_failed: bool, losses: int, **settings: Any):
        self._retry_failed = retry_failed
        self._losses = losses
        self._launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        assert self._launcher is not None, "Hydra calls setup first"
        self.carry_out(self._launcher, losses=self._losses, retry_failed=self._retry_failed)

    @abstractmethod
    def carry_out(self, launcher: Launcher, *, losses: int, retry_failed: bool) -> None:
        """Launch until all that was planned has ended."""
