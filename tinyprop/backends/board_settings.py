"""Settings that all simulated boards share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyprop.backends.engine_settings import EngineBackend


@dataclass(frozen=True, kw_only=True)
class BoardBackend(EngineBackend):
    """What simulated boards share.

    Attributes:
        count: ``sampled`` counts the instructions of up to four steps of each epoch; ``all`` counts every step, which
            takes several times as long.
        require_fit: refuse to train what does not fit the target's memory; otherwise it is trained in memory that the
            target does not have, and the result says so.
    """

    count: Literal["sampled", "all"] = "sampled"
    require_fit: bool = False
