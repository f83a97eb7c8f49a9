"""``hydra/sweeper=grid``: the runs that a command line asks for, launched until all have ended."""

from __future__ import annotations

from hydra.plugins.launcher import Launcher

from hydra_plugins.tinyprop_plugins._sweeper import LaunchingSweeper


class GridSweeper(LaunchingSweeper):
    """Carries out the plan that was made of the command line, ``params`` of the configuration included."""

    def carry_out(self, launcher: Launcher, *, losses: int, retry_failed: bool) -> None:
        from tinyprop.sweeps.rounds import current

        current().complete(launcher, losses=losses, retry_failed=retry_failed)
