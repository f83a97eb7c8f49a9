"""What a process on another machine has to do before it trains."""

from __future__ import annotations

import os
from pathlib import Path

DIRECTORY = "TINYPROP_DIRECTORY"
"""The environment variable with the directory that the command was started in."""


def enter_directory() -> None:
    """Go where the command was started, so that relative paths mean the same there.

    Called by Ray when a worker starts (``worker_process_setup_hook``). Where there is no such directory on this
    machine, the run itself says so.
    """
    directory = os.environ.get(DIRECTORY)
    if directory and Path(directory).is_dir():
        os.chdir(directory)
