"""A comparison as Markdown and as LaTeX, for a page or a paper."""

from __future__ import annotations

from collections.abc import Iterator

from tinyprop.compare.answer import Comparison
from tinyprop.report import comparison_sheets
from tinyprop.report.comparison_sheets import Column, Sheet

_TEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "ζ": r"$\zeta$",
    "µ": r"$\mu$",
    "·": r"$\cdot$",
    "<": "$<$",
    "…": r"\ldots{}",
}


def as_markdown(comparison: Comparison, figures: dict[str, list[str]]) -> str:
    """The whole comparison.

    Args:
        figures: names of the image files of each family, by its label.
    """
    lines = ["# Comparison", ""]
    if comparison.question.command:
        lines += [f"Made by `{comparison.question.command}`.", ""]
    for each in comparison.families:
        lines += [f"## {each.family.label}", "", f"{comparison_sheets.subheading(each)}.", ""]
        for sheet in comparison_sheets.sheets(each, brief=False):
            lines += sheet_markdown(sheet)
        for name in figures.get(each.family.label, []):
            lines += [f"![{name.partition('.')[0].replace('_', ' ')}]({name})", ""]
    lines += sheet_markdown(comparison_sheets.excluded(comparison), level=2)
    lines += ["## How to read this", "", *(f"- {escaped(note)}" for note in comparison_sheets.remarks(comparison))]
    return "\n".join(lines) + "\n"


def in_short(comparison: Comparison) -> str:
    """What each configuration reaches and costs, as Markdown for a page that has little room."""
    lines: list[str] = []
    for each in comparison.families:
        lines += [f"**{escaped(each.family.label)}**", "", f"{comparison_sheets.subheading(each)}.", ""]
        lines += sheet_markdown(comparison_sheets.sheets(each, brief=True)[0])
    return "\n".join(lines)


def as_latex(comparison: Comparison) -> str:
    """Every table as a ``table`` with ``booktabs`` rules, to be put into a paper with ``\\input``."""
    lines = ["% \\usepackage{booktabs} is needed."]
    for number, each in enumerate(comparison.families, start=1):
        for sheet in comparison_sheets.sheets(each, brief=False):
            if sheet.rows:
                lines += _latex(sheet, f"{each.family.label}: {sheet.title}", f"tab:{sheet.key}-{number}")
    outside = comparison_sheets.excluded(comparison)
    if outside.rows:
        lines += _latex(outside, outside.title, "tab:excluded")
    lines += [f"% {note}" for note in comparison_sheets.remarks(comparison)]
    return "\n".join(lines) + "\n"


def sheet_markdown(sheet: Sheet, level: int = 3) -> Iterator[str]:
    yield f"{'#' * level} {sheet.title[:1].upper()}{sheet.title[1:]}"
    yield ""
    if sheet.rows:
        yield _row([escaped(column.heading) for column in sheet.columns])
        yield _row([_rule(column) for column in sheet.columns])
        for row in sheet.rows:
            yield _row([escaped(cell.text) for cell in row])
        yield ""
    for note in sheet.notes:
        yield escaped(note)
        yield ""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(column: Column) -> str:
    return "---:" if column.numeric else "---"


def escaped(text: str) -> str:
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", "<br>")


def _latex(sheet: Sheet, caption: str, label: str) -> Iterator[str]:
    yield ""
    yield "\\begin{table}"
    yield "\\centering"
    yield f"\\caption{{{_tex(caption)}}}"
    yield f"\\label{{{label}}}"
    yield f"\\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in sheet.columns)}}}"
    yield "\\toprule"
    yield " & ".join(_tex(column.heading) for column in sheet.columns) + " \\\\"
    yield "\\midrule"
    for row in sheet.rows:
        # A bracket at the beginning of a row would be taken for an argument of the line break before it.
        yield "{}" + " & ".join(_tex(cell.text) for cell in row) + " \\\\"
    yield "\\bottomrule"
    yield "\\end{tabular}"
    yield "\\end{table}"
    yield from (f"% {note}" for note in sheet.notes)


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text.replace("\n", " "))
