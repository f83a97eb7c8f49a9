"""What one unit of work costs on a core: factors that were fitted to exact counts from the simulated engine.

They are stored as JSON beside this module, one file a core, with where they come from and how far off they are;
``python -m tinyprop.cost.calibrate`` makes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tinyprop.errors import RequestError

DIRECTORY = Path(__file__).resolve().parent / "coefficients"
QUANTITIES = ("instructions", "cycles", "jumps")
"""What is counted: instructions executed; modelled cycles with memories that answer at once; branches that go on
elsewhere, each of which waits for the flash."""
_CALIBRATE = "tinyprop cost calibrate"


@dataclass(frozen=True)
class Kernel:
    """Factors of one kernel's features, in the order of ``features``, for each of `QUANTITIES`."""

    features: tuple[str, ...]
    instructions: tuple[float, ...]
    cycles: tuple[float, ...]
    jumps: tuple[float, ...]


@dataclass(frozen=True)
class Coefficients:
    """All that is known of one core.

    Attributes:
        code, constants, static: bytes of the firmware's program, its constants in flash, and its own data in RAM.
        stack: the most bytes of it that any simulated network used.
        cycle_model: where the cycles come from.
        provenance: what was fitted to what: image, design, versions, date.
        errors: of predictions for networks held out, told what a run measures; see `tinyprop.cost.validation`.
        errors_unmeasured: the same, told nothing but what is kept.
    """

    core: str
    code: int
    constants: int
    static: int
    stack: int
    cycle_model: str
    kernels: Mapping[str, Kernel]
    provenance: Mapping[str, Any]
    errors: Mapping[str, Any]
    errors_unmeasured: Mapping[str, Any]

    def save(self) -> Path:
        """Write the core's file; the path."""
        DIRECTORY.mkdir(exist_ok=True)
        path = _path(self.core)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        return path


def known_cores() -> list[str]:
    """Cores that there are coefficients for."""
    return sorted(path.stem for path in DIRECTORY.glob("*.json"))


@lru_cache
def coefficients_of(core: str) -> Coefficients:
    """The stored coefficients of a core.

    Raises:
        RequestError: there are none.
    """
    if core not in known_cores():
        raise RequestError(
            f"target.core={core}: no costs are known for this core; known are {', '.join(known_cores()) or 'none'} "
            f"({_CALIBRATE} fits them to simulations)"
        )
    stored = json.loads(_path(core).read_text(encoding="utf-8"))
    kernels = {
        name: Kernel(**{key: tuple(values) for key, values in kernel.items()})
        for name, kernel in stored.pop("kernels").items()
    }
    return Coefficients(kernels=kernels, **stored)


def _path(core: str) -> Path:
    return DIRECTORY / f"{core}.json"
