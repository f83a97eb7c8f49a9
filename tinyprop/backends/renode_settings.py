"""Settings of the backend that trains on a microcontroller simulated by Renode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tinyprop.backends.board_settings import BoardBackend
from tinyprop.backends.engine_settings import Condition


@dataclass(frozen=True, kw_only=True)
class RenodeBackend(BoardBackend):
    """Trains with the C engine on a Cortex-M simulated by Renode, a program of its own; its core is the target's.

    Attributes:
        path: the program; null is `renode` on PATH or what the environment variable TINYPROP_RENODE names.
        time_limit_s: seconds that Renode may take for an epoch; it is ended then.
    """

    name: Literal["renode"] = "renode"
    path: str | None = None
    time_limit_s: float = 3600.0

    def _conditions(self) -> Iterator[Condition]:
        yield from super()._conditions()
        yield self.time_limit_s > 0, "time_limit_s", f"{self.time_limit_s} is not above 0"
