"""Which microcontrollers a run's cost is modelled for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CostSettings:
    """What is modelled of a run; no part of what is trained.

    Attributes:
        targets: options of the group ``target``, besides the run's own, which comes first.
    """

    targets: tuple[str, ...] = ()
