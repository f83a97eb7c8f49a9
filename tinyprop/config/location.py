"""Where the configuration tree is: in the installed package, or at the top of the repository."""

from __future__ import annotations

from pathlib import Path

CONFIG_NAME = "config"
"""The file at its top, without its ending."""


def config_directory() -> Path:
    """The directory that holds ``config.yaml`` and the groups."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "conf"
    return packaged if packaged.is_dir() else package.parent / "conf"
