"""Settings of the backend that trains with the C engine on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyprop.backends.engine_settings import EngineBackend


@dataclass(frozen=True, kw_only=True)
class NativeBackend(EngineBackend):
    """Trains with the C engine on this machine's processor: the arithmetic of the microcontrollers, and quicker."""

    name: Literal["native"] = "native"
