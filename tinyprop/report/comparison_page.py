"""A comparison as one HTML file: interactive, complete, and at home without a network.

Nothing in it refers to anything outside, which its content security policy holds it to. Plotly's script comes along
whole. Every number of a chart stands in a table too, so that nothing hangs on seeing or on hovering.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from tinyprop.compare.answer import Comparison, FamilyComparison
from tinyprop.report import comparison_sheets
from tinyprop.report.comparison_charts import Chart, charts
from tinyprop.report.comparison_sheets import Cell, Column, Sheet

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def as_html(comparison: Comparison) -> str:
    """The whole page."""
    drawn = {f"chart-{number}-{index}": chart for number, each in enumerate(comparison.families, start=1)
             for index, chart in enumerate(charts(each), start=1)}  # fmt: skip
    body = "\n".join(_body(comparison, drawn))
    content = {
        name: {"choices": [{"data": traces, "layout": layout} for _, traces, layout in chart.choices]}
        for name, chart in drawn.items()
    }
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(_title(comparison))}</title>
<style>
{_part("style.css")}</style>
</head>
<body>
{body}
<script type="application/json" id="charts">{_embedded(content)}</script>
<script>{_plotly()}</script>
<script>
{_part("page.js")}</script>
</body>
</html>
"""


def _title(comparison: Comparison) -> str:
    return f"Comparison of {comparison.run_count} runs"


def _body(comparison: Comparison, drawn: dict[str, Chart]) -> Iterator[str]:
    yield "<main>"
    yield f"<h1>{escape(_title(comparison))}</h1>"
    if comparison.question.command:
        yield f'<p class="quiet">Made by <code>{escape(comparison.question.command)}</code></p>'
    for number, each in enumerate(comparison.families, start=1):
        yield from _family(each, number, drawn)
    yield f'<section aria-labelledby="excluded"><h2 id="excluded">{escape(_outside(comparison).title)}</h2>'
    yield from _table(_outside(comparison))
    yield "</section>"
    yield '<section aria-labelledby="reading"><h2 id="reading">How to read this</h2><ul class="notes">'
    yield from (f"<li>{escape(note)}</li>" for note in comparison_sheets.remarks(comparison))
    yield "</ul></section>"
    yield "</main>"
    yield "<noscript><p>The charts need JavaScript; the tables above hold all of their numbers.</p></noscript>"


def _outside(comparison: Comparison) -> Sheet:
    return comparison_sheets.excluded(comparison)


def _family(each: FamilyComparison, number: int, drawn: dict[str, Chart]) -> Iterator[str]:
    yield f'<section aria-labelledby="family-{number}">'
    yield f'<h2 id="family-{number}">{escape(comparison_sheets.heading(each))}</h2>'
    yield f'<p class="quiet">{escape(comparison_sheets.subheading(each))}</p>'
    if each.family.synthetic:
        yield '<p class="synthetic">The data is generated. These numbers say nothing about real data.</p>'
    for name, chart in drawn.items():
        if name.startswith(f"chart-{number}-"):
            yield from _chart(name, chart)
    for sheet in comparison_sheets.sheets(each, brief=False):
        yield f"<h3>{escape(sheet.title[:1].upper() + sheet.title[1:])}</h3>"
        yield from _table(sheet)
    yield "</section>"


def _chart(name: str, chart: Chart) -> Iterator[str]:
    yield f"<h3>{escape(chart.title[:1].upper() + chart.title[1:])}</h3>"
    yield "<div>"
    if len(chart.choices) > 1:
        yield '<fieldset class="choice"><legend class="quiet">against</legend>'
        for index, (title, _, _) in enumerate(chart.choices):
            checked = " checked" if index == 0 else ""
            yield f'<label><input type="radio" name="{name}" value="{index}"{checked}> {escape(title)}</label>'
        yield "</fieldset>"
    kind = "chart" if len(chart.choices) > 1 else "chart forest"
    yield f'<div class="{kind}" id="{name}" role="img" aria-label="{escape(chart.description)}"></div>'
    if chart.note:
        yield f'<p class="quiet">{escape(chart.note)}</p>'
    yield "</div>"


def _table(sheet: Sheet) -> Iterator[str]:
    if sheet.rows:
        yield f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(sheet.title)}"><table>'
        yield "<thead><tr>" + "".join(map(_heading, sheet.columns)) + "</tr></thead><tbody>"
        for row in sheet.rows:
            yield "<tr>" + "".join(map(_cell, row, sheet.columns)) + "</tr>"
        yield "</tbody></table></div>"
    if sheet.notes:
        yield '<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in sheet.notes) + "</ul>"


def _heading(column: Column) -> str:
    name = escape(column.heading or "verdict").replace("\n", " ")
    return f'<th scope="col"{_number(column)}><button type="button">{name}</button></th>'


def _cell(cell: Cell, column: Column) -> str:
    value = "" if cell.value is None else f' data-value="{cell.value!r}"'
    label = ' class="label"' if column.heading == "configuration" else ""
    kind = _number(column) or (f' class="{cell.text}"' if cell.text in _MARKED else label)
    return f"<td{kind}{value}>{escape(cell.text)}</td>"


_MARKED = ("better", "worse", "failed", "unreadable")


def _number(column: Column) -> str:
    return ' class="number"' if column.numeric else ""


def _embedded(content: object) -> str:
    """JSON that nothing inside can end the script element of."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _part(name: str) -> str:
    return (files("tinyprop.report") / "page" / name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")
