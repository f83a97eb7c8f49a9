"""Settings of the backend that trains in PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TorchBackend:
    """Trains in PyTorch on this machine: any model, any policy; counts work, does not save it."""

    name: Literal["torch"] = "torch"
