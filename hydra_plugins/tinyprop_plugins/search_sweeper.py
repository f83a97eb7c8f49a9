"""``hydra/sweeper=search``: trials that `tinyprop.search` chooses, launched until there are as many as wanted."""

from __future__ import annotations

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """Has the search that ``tinyprop train -m`` has opened use whatever launcher was chosen.

    Args:
        retry_failed, losses: see `tinyprop.sweeps.rounds.Plan.complete`.
        settings: the search's own, which the command line's composition has read and checked already.
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
        from tinyprop.search.session import current

        assert self._launcher is not None, "Hydra calls setup first"
        current().run(self._launcher, losses=self._losses, retry_failed=self._retry_failed)
