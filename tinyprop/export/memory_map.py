"""Where a microcontroller has its memory: what the link script of an exported project needs and a datasheet states."""

from __future__ import annotations

from dataclasses import dataclass

from tinyprop.cost.target import Target


@dataclass(frozen=True)
class MemoryMap:
    """Flash that code and constants go to, and the one stretch of RAM that holds data and stack.

    Attributes:
        flash_origin, ram_origin: first address.
        flash_bytes, ram_bytes: what can be used from there on.
        source: the document that says so, or what is assumed.
        remark: what else someone who flashes this part must know; may be empty.
    """

    flash_origin: int
    flash_bytes: int
    ram_origin: int
    ram_bytes: int
    source: str
    remark: str = ""


_FLASH, _RAM = 0x08000000, 0x20000000
"""Where the STM32 families have them."""
_BOOT_LOADER = 256
_KIB, _MIB = 1 << 10, 1 << 20

_KNOWN = {
    "STM32F103RB": MemoryMap(_FLASH, 128 * _KIB, _RAM, 20 * _KIB, "ST RM0008, memory map."),
    "STM32F407VG": MemoryMap(
        _FLASH,
        _MIB,
        _RAM,
        128 * _KIB,
        "ST RM0090, memory map.",
        "Its 64 KB of core-coupled memory at 0x10000000 stay unused, since they do not adjoin the 128 KB used here.",
    ),
    "STM32F746NG": MemoryMap(_FLASH, _MIB, _RAM, 320 * _KIB, "ST RM0385, memory map."),
    "STM32L072CZ": MemoryMap(_FLASH, 192 * _KIB, _RAM, 20 * _KIB, "ST RM0376, memory map."),
    "STM32L552ZE": MemoryMap(_FLASH, 512 * _KIB, _RAM, 256 * _KIB, "ST RM0438, memory map, without TrustZone."),
    "RP2040 (Raspberry Pi Pico)": MemoryMap(
        0x10000000 + _BOOT_LOADER,
        2 * _MIB - _BOOT_LOADER,
        _RAM,
        264 * _KIB,
        "RP2040 datasheet, address map and boot sequence.",
        "The first 256 bytes of its flash are left to a second-stage boot loader, which Raspberry Pi's Pico SDK brings "
        "and this project does not.",
    ),
}
"""By the target's name."""


def memory_map(target: Target) -> MemoryMap:
    """A part's memory; of a part that is not known here, where Arm's architecture puts flash and RAM."""
    return _KNOWN.get(target.name) or MemoryMap(
        0,
        target.flash_bytes,
        _RAM,
        target.sram_bytes,
        "Assumed: where Arm's architecture puts code and RAM.",
        "Compare the addresses in board/link.ld with the part's datasheet, since they are not known to tinyprop.",
    )
