"""Settings of the backend that trains on a microcontroller simulated by Unicorn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyprop.backends.board_settings import BoardBackend


@dataclass(frozen=True, kw_only=True)
class UnicornBackend(BoardBackend):
    """Trains with the C engine on a simulated Cortex-M; its core is the target's.

    Attributes:
        count: ``sampled`` counts the instructions of up to four steps of each epoch; ``all`` counts every step, which
            takes several times as long.
    """

    name: Literal["unicorn"] = "unicorn"
    count: Literal["sampled", "all"] = "sampled"
