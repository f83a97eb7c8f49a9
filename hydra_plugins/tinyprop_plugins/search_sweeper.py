"""``hydra/sweeper=search``: trials that `tinyprop.search` chooses, launched until there are as many as wanted."""

from __future__ import annotations

from hydra.plugins.launcher import Launcher

from hydra_plugins.tinyprop_plugins._sweeper import LaunchingSweeper


class SearchSweeper(LaunchingSweeper):
    """Carries out the search that the command line has opened."""

    def carry_out(self, launcher: Launcher, *, losses: int, retry_failed: bool) -> None:
        from tinyprop.search.session import current

        current().run(launcher, losses=losses, retry_failed=retry_failed)
