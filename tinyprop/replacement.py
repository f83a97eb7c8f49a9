"""A directory put in the place of an earlier one: at every moment one of the two is there, whole."""

from __future__ import annotations

import os
from pathlib import Path


def put_in_place(directory: Path, new: Path, old: Path) -> None:
    """Rename ``new`` to ``directory``, and what was there before to ``old``; all of it on one file system.

    Raises:
        OSError: it cannot be; what was there before is there again.
    """
    if not directory.exists():
        os.rename(new, directory)
        return
    os.rename(directory, old)
    try:
        os.rename(new, directory)
    except BaseException:
        os.rename(old, directory)
        raise
