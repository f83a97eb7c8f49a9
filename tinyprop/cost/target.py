"""A microcontroller, as its datasheet describes it."""

from __future__ import annotations

from dataclasses import dataclass

from tinyprop.errors import require


@dataclass(frozen=True, kw_only=True)
class Target:
    """One part. Sizes in bytes.

    Attributes:
        name: the part, or the core where no part is meant.
        core: Arm core, such as ``cortex-m4``.
        fpu: whether it computes float32 in hardware.
        clock_mhz: highest core clock.
        sram_bytes, flash_bytes: what the part has.
        source: document that the figures are from.
    """

    name: str
    core: str
    fpu: bool
    clock_mhz: float
    sram_bytes: int
    flash_bytes: int
    source: str

    def __post_init__(self) -> None:
        require(
            (self.clock_mhz > 0, "clock_mhz", f"{self.clock_mhz} is not above 0"),
            (self.sram_bytes > 0, "sram_bytes", f"{self.sram_bytes} is not above 0"),
            (self.flash_bytes > 0, "flash_bytes", f"{self.flash_bytes} is not above 0"),
            (bool(self.source.strip()), "source", "is empty: name the datasheet that the figures are from"),
        )
