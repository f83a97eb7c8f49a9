"""A comparison on the terminal, at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyprop.compare.answer import Comparison
from tinyprop.report import comparison_sheets
from tinyprop.report.comparison_sheets import Sheet

_STYLES = {
    **dict.fromkeys(("better", "reproduced"), "bold green"),
    **dict.fromkeys(("worse", "not reproduced", "failed", "unreadable"), "bold red"),
}
_LABEL = 14
"""Columns that a configuration's label has at the least."""
ROOMY = 140
"""Columns from which costs are shown with their intervals."""


def comparison_tables(comparison: Comparison, width: int) -> RenderableType:
    """Every family with its tables, then the runs that take no part, then what must be known of all of it.

    Args:
        width: columns that there are; below `ROOMY` costs have no intervals.
    """
    parts: list[RenderableType] = []
    for each in comparison.families:
        parts += [Text(comparison_sheets.heading(each), "bold"), Text(comparison_sheets.subheading(each)), Text()]
        for sheet in comparison_sheets.sheets(each, brief=width < ROOMY):
            parts += [*sheet_table(sheet), Text()]
    outside = comparison_sheets.excluded(comparison)
    if outside.rows:
        parts += [*sheet_table(outside), Text()]
    parts += [Text(note, "dim") for note in comparison_sheets.remarks(comparison)]
    return Group(*parts)


def headline(comparison: Comparison, width: int) -> RenderableType:
    """Of every family the first table: accuracy and cost of each configuration."""
    parts: list[RenderableType] = []
    for each in comparison.families:
        first = comparison_sheets.sheets(each, brief=width < ROOMY)[0]
        parts += [Text(comparison_sheets.heading(each), "bold"), Text(comparison_sheets.subheading(each)), Text()]
        parts += [*sheet_table(first), Text()]
    return Group(*parts)


def sheet_table(sheet: Sheet) -> Iterator[RenderableType]:
    yield Text(sheet.title, "bold" if sheet.rows else "")
    if sheet.rows:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for column in sheet.columns:
            table.add_column(
                column.heading,
                justify="right" if column.numeric else "left",
                no_wrap=column.numeric,
                min_width=_LABEL if column.heading.startswith("configuration") else None,
                overflow="fold",
            )
        for row in sheet.rows:
            table.add_row(*(Text(cell.text, _style(cell.text)) for cell in row))
        yield table
    yield from (Text(note) for note in sheet.notes)


def _style(text: str) -> str:
    """Of a verdict, which may stand below its figure."""
    _, _, below = text.partition("\n")
    return _STYLES.get(text, _STYLES.get(below.replace("\n", " "), ""))
