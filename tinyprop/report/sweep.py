"""How every run of a multirun ended, as the closing table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyprop.report.quantities import scaled
from tinyprop.report.summary import MACS_NOTE, metric_text, percent

GOOD = ("done", "reused")
_MISSING = 5
"""Runs that did not begin which have rows; of more there is nothing to see."""
_ORDER = ("done", "reused", "pruned", "failed", "killed", "missing")
_STYLES = {"failed": "bold red", "killed": "yellow", "missing": "yellow"}


def sweep_table(rows: Sequence[Mapping[str, Any]], metric: str = "test_accuracy") -> RenderableType:
    """One numbered row a run in the order given, then the reason of each that did not succeed, then the counts.

    What all runs have in common is said once, above. Of many runs that did not begin there are only the reason and the
    numbers.

    Args:
        rows: mappings with ``overrides`` (a list, or one text with spaces between), ``status`` (done,
            reused, failed, killed or missing), ``reason``, ``accuracy``, ``backward_ratio``, ``step_ratio`` and
            ``seconds``, and, of simulated boards, ``instructions`` of a step and whether it ``fits``; None or absent
            where there is no value.
        metric: the name of what ``accuracy`` holds, such as ``test_auc``.
    """
    overrides = [_overrides(row) for row in rows]
    common = [part for part in overrides[0] if all(part in other for other in overrides)] if len(rows) > 1 else []
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("run", overflow="fold")
    table.add_column("status", no_wrap=True)
    for heading in (metric.removeprefix("test_").replace("_", " "), "backward", "step", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    simulated = any(row.get("instructions") is not None for row in rows)
    for heading in ("instr.", "fits") if simulated else ():
        table.add_column(heading, justify="right", no_wrap=True)
    crowded = sum(_status(row) == "missing" for row in rows) > _MISSING
    for number, row in enumerate(rows, start=1):
        status = _status(row)
        if status == "missing" and crowded:
            continue
        accuracy, backward, step, seconds = (
            row.get(key) for key in ("accuracy", "backward_ratio", "step_ratio", "seconds")
        )
        table.add_row(
            str(number),
            Text(" ".join(part for part in overrides[number - 1] if part not in common) or "defaults"),
            Text(status, style=_STYLES.get(status, "")),
            "–" if accuracy is None else metric_text(metric, accuracy),
            "–" if backward is None else percent(backward),
            "–" if step is None else percent(step),
            "–" if seconds is None else f"{seconds:.1f}",
            *(_board(row) if simulated else ()),
        )
    parts: list[RenderableType] = [Text(f"In every run: {' '.join(common)}")] if common else []
    parts += [table, ending(rows)]
    if any(row.get("backward_ratio") is not None for row in rows):
        parts.append(Text(f"backward, step: work against dense. {MACS_NOTE}", style="dim"))
    if simulated:
        parts.append(Text("instr.: executed in a training step; fits: the target's SRAM and flash.", style="dim"))
    return Group(*parts)


def ending(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Which runs did not succeed and why, and how many ended how."""
    return Group(*_reasons(rows), Text(counted(rows), style="bold"))


def _board(row: Mapping[str, Any]) -> tuple[str, str]:
    """Instructions of a step, and whether training fits the part."""
    instructions, fits = row.get("instructions"), row.get("fits")
    return "–" if instructions is None else scaled(instructions), "–" if fits is None else "yes" if fits else "NO"


def counted(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many runs ended how: ``12 runs: 10 done, 1 reused, 1 failed``."""
    counts = Counter(_status(row) for row in rows)
    known = [status for status in _ORDER if counts[status]] + sorted(set(counts) - set(_ORDER))
    return f"{len(rows)} run{'' if len(rows) == 1 else 's'}: " + ", ".join(f"{counts[s]} {s}" for s in known)


def _reasons(rows: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Each reason once, after the numbers of the runs that have it."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(rows, start=1):
        status = _status(row)
        if status not in GOOD:
            reason = " ".join(str(row.get("reason") or "no reason was recorded").split())
            numbers.setdefault((status, reason), []).append(number)
    for (status, reason), runs in numbers.items():
        yield Text(f"{_ranges(runs)} {status}: {reason}", style=_STYLES.get(status, ""))


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, neighbours drawn together: ``1, 3–45``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("–".join(map(str, part)) for part in parts)


def _overrides(row: Mapping[str, Any]) -> list[str]:
    overrides = row.get("overrides") or []
    return overrides.split() if isinstance(overrides, str) else list(overrides)


def _status(row: Mapping[str, Any]) -> str:
    return str(row.get("status") or "missing")
