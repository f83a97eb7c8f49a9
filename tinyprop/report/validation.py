"""Predicted against simulated steps, for the terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyprop.cost.validation import Row
from tinyprop.report.quantities import scaled

_QUANTITIES = ("instructions", "cycles")
_HEADINGS = ("network", "policy", "core", "instructions", "error", "modelled cycles", "error")


def validation_table(rows: Sequence[Row], held_out: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Simulated figures and how far predictions are off, and the errors in networks that nothing was fitted to.

    Args:
        held_out: `tinyprop.cost.Coefficients.errors` by core.
    """
    table = _table(*_HEADINGS)
    for row in rows:
        table.add_row(*_cells(row))
    errors = _table("core", "of a step", "networks", "median", "9 in 10", "worst")
    for cells in _held_out(held_out):
        errors.add_row(*cells)
    return Group(
        Text("One step of a batch of 1 under SGD: simulated, and the prediction's error", "bold"),
        table,
        Text(),
        Text("Errors in networks that nothing was fitted to", "bold"),
        errors,
    )


def as_markdown(rows: Sequence[Row], held_out: Mapping[str, Mapping[str, Any]]) -> str:
    """The same as two tables in Markdown."""
    first = [_line(_HEADINGS), "|---|---|---|--:|--:|--:|--:|", *(_line(_cells(row)) for row in rows)]
    headings = ("core", "of a step", "networks", "median", "9 in 10", "worst")
    second = [_line(headings), "|---|---|--:|--:|--:|--:|", *(_line(cells) for cells in _held_out(held_out))]
    return "\n".join([*first, "", *second])


def _cells(row: Row) -> list[str]:
    cells = [row.network, row.policy, row.core]
    for quantity in _QUANTITIES:
        simulated, predicted = row.simulated[quantity], row.predicted[quantity]
        cells += [scaled(simulated), f"{100 * (predicted / simulated - 1):+.1f} %"]
    return cells


def _held_out(errors: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    for core, known in errors.items():
        for quantity in _QUANTITIES:
            if step := known.get(quantity, {}).get("step"):
                shares = (f"{100 * step[name]:.1f} %" for name in ("median", "nine_in_ten", "worst"))
                yield [core, quantity, str(step["count"]), *shares]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index < 3 else "right", overflow="fold")
    return table
