"""A microcontroller, as its datasheet describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyprop.errors import RequestError, require

_UNSOURCED = (
    "is missing: name the document and the table that the figure is from; on a command line as "
    "+target.sources.run_current_ma='…'"
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """One part. Sizes in bytes. What no datasheet says is None.

    Attributes:
        name: the part, or the core where no part is meant.
        core: Arm core, such as ``cortex-m4``.
        fpu: whether it computes float32 in hardware.
        clock_mhz: highest core clock.
        sram_bytes, flash_bytes: what the part has.
        source: document that the figures are from.
        run_current_ma: typical supply current at ``clock_mhz`` while code runs, in milliamperes.
        supply_volts: the voltage that this current was measured at.
        flash_wait_states: cycles that the flash is late at ``clock_mhz``.
        flash_accelerator: whether a cache or the like hides them from most code.
        sources: document, table and conditions of single fields.
    """

    name: str
    core: str
    fpu: bool
    clock_mhz: float
    sram_bytes: int
    flash_bytes: int
    source: str
    run_current_ma: float | None = None
    supply_volts: float | None = None
    flash_wait_states: int | None = None
    flash_accelerator: bool | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        optional = ("run_current_ma", "supply_volts", "flash_wait_states", "flash_accelerator")
        require(
            (self.clock_mhz > 0, "clock_mhz", f"{self.clock_mhz} is not above 0"),
            (self.sram_bytes > 0, "sram_bytes", f"{self.sram_bytes} is not above 0"),
            (self.flash_bytes > 0, "flash_bytes", f"{self.flash_bytes} is not above 0"),
            (bool(self.source.strip()), "source", "is empty: name the datasheet that the figures are from"),
            (_above(self.run_current_ma, 0), "run_current_ma", f"{self.run_current_ma} is not above 0"),
            (_above(self.supply_volts, 0), "supply_volts", f"{self.supply_volts} is not above 0"),
            (_above(self.flash_wait_states, -1), "flash_wait_states", f"{self.flash_wait_states} is under 0"),
            *(
                (getattr(self, name) is None or bool(self.sources.get(name)), f"sources.{name}", _UNSOURCED)
                for name in optional
            ),
        )

    @property
    def knows_power(self) -> bool:
        """Whether an energy can be told."""
        return self.run_current_ma is not None and self.supply_volts is not None

    @property
    def milliwatts(self) -> float:
        """Power while code runs at ``clock_mhz``.

        Raises:
            RequestError: the current or the voltage is not known.
        """
        if self.run_current_ma is None or self.supply_volts is None:
            missing = [name for name in ("run_current_ma", "supply_volts") if getattr(self, name) is None]
            raise RequestError(
                f"the energy is not known for {self.name}: target.{' and target.'.join(missing)} missing; take it from "
                f"the datasheet ({self.source})"
            )
        return self.run_current_ma * self.supply_volts

    @property
    def stall_cycles(self) -> int:
        """Cycles that the core waits for the flash after a branch: all its wait states, or none behind an accelerator.

        Straight code is taken to be fetched ahead. Where the wait states are not known, none are counted.
        """
        return 0 if self.flash_accelerator else self.flash_wait_states or 0


def _above(value: float | None, bound: float) -> bool:
    return value is None or value > bound
