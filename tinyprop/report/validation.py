"""Predicted against simulated steps, for the terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyprop.cost import Coefficients
from tinyprop.cost.validation import Row
from tinyprop.engine.phases import PHASES
from tinyprop.report.quantities import scaled

_QUANTITIES = ("instructions", "cycles")
_HEADINGS = ("network", "policy", "core", "instructions", "error", "modelled cycles", "error")
_SPREAD = {"median": "median", "nine_in_ten": "9 in 10", "worst": "worst"}
_OF_STEPS = ("core", "of a step", "told", "networks", *_SPREAD.values())
_OF_PHASES = ("core", "instructions of", "networks", *_SPREAD.values())


def validation_table(rows: Sequence[Row], known: Sequence[Coefficients]) -> RenderableType:
    """Simulated figures and how far predictions are off, and the errors in networks that nothing was fitted to.

    Args:
        known: of each core.
    """
    parts: list[RenderableType] = []
    for title, headings, lines in _tables(rows, known):
        table = _table(*headings)
        for cells in lines:
            table.add_row(*cells)
        parts += [*([Text()] if parts else []), Text(title, "bold"), table]
    return Group(*parts)


def as_markdown(rows: Sequence[Row], known: Sequence[Coefficients]) -> str:
    """The same as tables in Markdown."""
    tables = []
    for _, headings, lines in _tables(rows, known):
        dashes = ["---" if _is_name(heading) else "--:" for heading in headings]
        tables.append("\n".join([_line(headings), f"|{'|'.join(dashes)}|", *map(_line, lines)]))
    return "\n\n".join(tables)


def _tables(
    rows: Sequence[Row], known: Sequence[Coefficients]
) -> Iterator[tuple[str, Sequence[str], Iterator[list[str]]]]:
    """Title, headings and cells of each."""
    yield "One step of a batch of 1 under SGD: simulated, and the prediction's error", _HEADINGS, map(_cells, rows)
    yield "Errors in networks that nothing was fitted to", _OF_STEPS, _of_steps(known)
    yield "By phase, told what a run measures; phases above 2 % of the step", _OF_PHASES, _of_phases(known)


def _cells(row: Row) -> list[str]:
    cells = [row.network, row.policy, row.core]
    for quantity in _QUANTITIES:
        simulated, predicted = row.simulated[quantity], row.predicted[quantity]
        cells += [scaled(simulated), f"{100 * (predicted / simulated - 1):+.1f} %"]
    return cells


def _of_steps(known: Sequence[Coefficients]) -> Iterator[list[str]]:
    for each in known:
        for told, errors in (("what a run measures", each.errors), ("what is kept", each.errors_unmeasured)):
            for quantity in _QUANTITIES:
                if found := errors.get(quantity, {}).get("step"):
                    yield [each.core, quantity, told, *_spread(found)]


def _of_phases(known: Sequence[Coefficients]) -> Iterator[list[str]]:
    for each in known:
        for phase in PHASES:
            if found := each.errors.get("instructions", {}).get(phase):
                yield [each.core, phase.replace("_", " "), *_spread(found)]


def _spread(found: Mapping[str, float]) -> list[str]:
    return [str(found["count"]), *(f"{100 * found[name]:.1f} %" for name in _SPREAD)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_name(heading: str) -> bool:
    return heading in ("network", "policy", "core", "of a step", "told", "instructions of")


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if _is_name(heading) else "right", overflow="fold")
    return table
