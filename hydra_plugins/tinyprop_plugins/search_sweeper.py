"""``hydra/sweeper=search``: the sweeper that lets `tinyprop.search` choose what to train."""

from __future__ import annotations

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """Hands batches of trials to whatever launcher was chosen.

    Its settings were read and checked before Hydra began; the search that ``tinyprop train`` has opened has them.
    """

    def __init__(self, **settings: Any):
        self._launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config = config
        self.hydra_context = hydra_context
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        from tinyprop.search.session import current

        assert self._launcher is not None
        current().run(arguments, self._launcher.launch)
