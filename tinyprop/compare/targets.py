"""The microcontrollers that have a preset, by the names that results know them by."""

from __future__ import annotations

import yaml

from tinyprop.config.location import config_directory


def preset_names() -> dict[str, str]:
    """The target's name by the name of its preset: ``{"stm32f407": "STM32F407VG", …}``."""
    found = {}
    for path in sorted((config_directory() / "target").glob("*.yaml")):
        found[path.stem] = str(yaml.safe_load(path.read_text(encoding="utf-8"))["name"])
    return found
