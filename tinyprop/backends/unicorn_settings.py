"""Settings of the backend that trains on a microcontroller simulated by Unicorn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyprop.backends.board_settings import BoardBackend


@dataclass(frozen=True, kw_only=True)
class UnicornBackend(BoardBackend):
    """Trains with the C engine on a simulated Cortex-M; its core is the target's."""

    name: Literal["unicorn"] = "unicorn"
