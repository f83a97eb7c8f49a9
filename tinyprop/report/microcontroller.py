"""What training takes on a microcontroller, as rows of a run's closing table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinyprop.engine.phases import PHASES
from tinyprop.report.quantities import time


def microcontroller_rows(mcu: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Instructions and modelled cycles of a step by phase, memory by use, and whether it fits.

    Args:
        mcu: the ``mcu`` of ``result.json``; see `tinyprop.backends.measurements.Measurements.as_dict`.
    """
    if not mcu:
        return
    yield "microcontroller", f"{mcu['target']} ({mcu['core']}), simulated by {mcu['simulator'].capitalize()}"
    if mcu.get("instructions.step"):
        yield from _steps(mcu)
    for kind, name in (("ram", "RAM"), ("flash", "flash")):
        yield f"{name} needed", f"{_kilobytes(mcu[f'{kind}.total'])}, {_verdict(mcu, kind)}"
        yield "", ", ".join(f"{use} {_kilobytes(size)}" for use, size in _uses(mcu, kind))


def _steps(mcu: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    steps = mcu["counted_steps"]
    samples = mcu["counted_samples"] / steps
    for quantity, name, note in (
        ("instructions", "instructions a step", f"  ({samples:.3g} samples; {steps} steps counted)"),
        ("cycles", "modelled cycles a step", f"  ({time(mcu.get('milliseconds.step', 0))})"),
    ):
        total = mcu.get(f"{quantity}.step")
        if not total:
            continue
        yield name, f"{total:>13,.0f}{note}"
        for phase in PHASES:
            count = mcu.get(f"{quantity}.{phase}", 0)
            if count:
                yield f"  {phase.replace('_', ' ')}", f"{count:>13,.0f}  {100 * count / total:5.1f} %"


def _uses(mcu: Mapping[str, Any], kind: str) -> Iterator[tuple[str, int]]:
    for key, value in mcu.items():
        use = key.removeprefix(f"{kind}.")
        if use != key and use not in ("total", "spare", "fits") and value:
            yield use, value


def _verdict(mcu: Mapping[str, Any], kind: str) -> str:
    spare = mcu[f"{kind}.spare"]
    return f"fits with {_kilobytes(spare)} to spare" if spare >= 0 else f"DOES NOT FIT: {_kilobytes(-spare)} too much"


def _kilobytes(size: float) -> str:
    return f"{size / 1024:,.1f} KB" if size >= 100 else f"{size:.0f} B"
