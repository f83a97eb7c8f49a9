"""What a reproduction says, as sheets of text: the one content behind terminal and page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tinyprop.compare.answer import PairedTable
from tinyprop.report import comparison_sheets
from tinyprop.report.comparison_sheets import NOTHING, Cell, Column, Sheet
from tinyprop.report.quantities import times
from tinyprop.reproduction import Claim, Condition, Evidence, Figure, Score, Verdict
from tinyprop.reproduction.claims import CheaperThanDense, CheaperThanStatic, NotTestable
from tinyprop.reproduction.ideas import IdeaTable
from tinyprop.reproduction.scoring import COUNTS

_HEADINGS = {"backward MACs": "backward", "whole-step MACs": "whole step", "modelled cycles": "cycles"}
_LEFT_OUT = ("training time", "energy a step")
"""Seconds depend on what else a machine does; energy says what cycles say."""
_VERDICTS: tuple[Verdict, ...] = ("reproduced", "not reproduced", "undecided", "not testable here")

COUNTED = (
    "backward: MACs of weight and input gradients. whole step: forward and update too. Counts, not wall time.",
    "cycles: a whole step, optimizer included, modelled on a Cortex-M4F (STM32F407), against dense training there.",
)
"""What the counts are, for the reader."""


def heading(each: Evidence) -> str:
    """Which study, in one line."""
    return f"{each.study.name}: {each.study.title}"


def subheading(each: Evidence) -> str:
    """How many of its runs there are, and what data they saw."""
    runs = f"{each.study.experiment}, {each.finished} of {each.expected} runs finished"
    if each.data is None or each.comparison is None:
        return runs
    data = each.data
    seeds = len(each.comparison.family.seeds)
    told = f"{runs}, {seeds} seed{'' if seeds == 1 else 's'}; {each.comparison.family.label}"
    told += f"; {data.train} training and {data.test} test samples"
    told += f", {'real' if not data.synthetic else 'GENERATED'} data {data.fingerprint[:10]}"
    if data.reduced:
        most = "{} and {}".format(*each.study.samples)
        told += f" (fewer than the published setting's {most}: verdicts are of these)"
    return told


def overview(scores: Sequence[Score], evidence: Mapping[str, Evidence]) -> Sheet:
    """Where each claim stands, by what was counted: the one table to read."""
    reduced = [name for name, each in evidence.items() if each.data is not None and each.data.reduced]
    rows = []
    for claim in _claims(scores):
        own = [row for row in scores if row.claim is claim]
        for place, counted in enumerate(dict.fromkeys(row.counted for row in own if row.counted) or [None]):
            # What could not be scored at all could not be by any count.
            meant = [row for row in own if row.counted in (counted, None)]
            cells = [Cell("" if place else claim.name), Cell(_HEADINGS.get(counted or "", NOTHING))]
            for verdict in _VERDICTS:
                places = dict.fromkeys(row.where for row in meant if row.verdict == verdict)
                cells.append(Cell(", ".join(f"{place}*" if place in reduced else place for place in places)))
            rows.append(cells)
    columns = [Column(name, False) for name in ("claim", "counted", *_VERDICTS)]
    notes = ["*: on less data than in the published setting."] if reduced else []
    return Sheet("overview", "Where each claim stands", columns, rows, notes)


def claim_sheets(scores: Sequence[Score], *, brief: bool) -> Iterator[Sheet]:
    """A sheet for each claim on work and accuracy together, and one for all others.

    Args:
        brief: for 80 columns: a verdict is a word a line.
    """
    for claim in _claims(scores):
        if isinstance(claim, CheaperThanDense | CheaperThanStatic):
            yield _by_count(claim, [row for row in scores if row.claim is claim], brief=brief)
    others = [row for row in scores if not isinstance(row.claim, CheaperThanDense | CheaperThanStatic)]
    if others:
        yield _others(others)


def study_sheets(each: Evidence, *, brief: bool) -> Iterator[Sheet]:
    """A study's configurations, and each adaptive one against the strongest fixed ratio."""
    if each.comparison is not None:
        found = comparison_sheets.sheets(each.comparison, brief=brief)
        yield from (_without(sheet, _LEFT_OUT) for sheet in found if sheet.key in ("configurations", "strongest"))


def excluded(each: Evidence) -> list[str]:
    """Runs that take no part, and how many were not begun."""
    lines = []
    for run in each.excluded:
        reason = run.reason.replace(run.place, Path(run.place).name)  # where it lies is no reader's concern
        lines.append(f"{run.status}: {run.what}: {' '.join(reason.split())}")
    absent = (
        each.expected - each.finished - sum(run.status not in ("incomparable", "repeated") for run in each.excluded)
    )
    return [*lines, *([f"{absent} of {each.expected} runs of {each.study.experiment} are not there"] if absent else [])]


def idea_sheets(tables: Sequence[IdeaTable], evidence: Mapping[str, Evidence]) -> Iterator[Sheet]:
    """Policies of ours against the strongest adaptive one for no more backward work, one study after the other."""
    for each in tables:
        comparison = evidence[each.study].comparison
        assert comparison is not None
        title = f"against the strongest adaptive at equal backward work: {each.study}"
        table = PairedTable("strongest", title, each.rows)
        numbers = {summary.group.label: place for place, summary in enumerate(comparison.groups, start=1)}
        dearer = ", ".join(row.label for row in each.rows if row.costs_more)
        notes = [f"The strongest adaptive costs more than {dearer}: with that output layer none is as cheap."]
        sheet = comparison_sheets.paired_sheet(comparison, table, numbers, brief=False)
        yield replace(sheet, notes=notes if dearer else [])


def figure_text(figure: Figure) -> str:
    """A figure with its unit and what stands behind ±."""
    half = None if figure.low is None or figure.high is None else (figure.high - figure.low) / 2
    if figure.unit == "times":
        value = times(figure.value)
        digits = len(value.rstrip("×").partition(".")[2])
    else:
        digits = 2
        sign = "+" if figure.unit == "points" else ""
        value = f"{figure.value:{sign}.{digits}f}".replace("-", "−")
    if half is None or not float(f"{half:.{digits}f}"):
        return value
    return f"{value} ± {half:.{digits}f}"


def claimed_text(condition: Condition) -> str:
    """What is claimed of a figure: ``≥ 5×``, ``≤ 1 point``, ``81 to 99 %``."""
    unit = {"times": "×", "points": " points", "percent": " %"}[condition.figure.unit]
    ends = (condition.at_least, condition.at_most)
    if all(abs(end) != float("inf") for end in ends):
        return f"{ends[0]:g} to {ends[1]:g}{unit}"
    return f"≥ {ends[0]:g}{unit}" if abs(ends[0]) != float("inf") else f"≤ {ends[1]:g}{unit}"


def _without(sheet: Sheet, headings: Collection[str]) -> Sheet:
    """The sheet without some of its columns."""
    kept = [place for place, column in enumerate(sheet.columns) if column.heading not in headings]
    rows = [[row[place] for place in kept] for row in sheet.rows]
    return replace(sheet, columns=[sheet.columns[place] for place in kept], rows=rows)


def _claims(scores: Sequence[Score]) -> list[Claim]:
    return list({row.claim.key: row.claim for row in scores}.values())


def _by_count(claim: CheaperThanDense | CheaperThanStatic, own: Sequence[Score], *, brief: bool) -> Sheet:
    gain = "points lost" if isinstance(claim, CheaperThanDense) else "points won"
    columns = [Column("configuration", False), Column("n"), Column(gain)]
    columns += [Column(_HEADINGS[counted]) for counted in COUNTS.values()]
    notes = _origin(claim)
    rows = []
    for where, label in dict.fromkeys((row.where, row.configuration) for row in own):
        by_count = {row.counted: row for row in own if (row.where, row.configuration) == (where, label)}
        first = next(iter(by_count.values()))
        for reason in dict.fromkeys(row.reason for row in by_count.values() if row.reason):
            told = next(row for row in by_count.values() if row.reason == reason)
            notes.append(f"{where}: {told.verdict}: {reason}.")
        if not first.conditions:
            rows.append([Cell(where), *[Cell(NOTHING)] * 2, *[Cell(_told(first.verdict, brief))] * len(COUNTS)])
            continue
        accuracy = first.conditions[-1].figure
        cells = [Cell(f"{where}\n{label}"), Cell(str(accuracy.n)), Cell(figure_text(accuracy), accuracy.value)]
        for counted in COUNTS.values():
            row = by_count[counted]
            work = row.conditions[0].figure if len(row.conditions) == 2 else None
            text = _told(row.verdict, brief) if work is None else f"{figure_text(work)}\n{_told(row.verdict, brief)}"
            cells.append(Cell(text, None if work is None else work.value))
        rows.append(cells)
    return Sheet(claim.key, claim.title, columns, rows, notes)


def _told(verdict: Verdict, brief: bool) -> str:
    return verdict.removesuffix(" here").replace(" ", "\n") if brief else verdict


def _others(own: Sequence[Score]) -> Sheet:
    columns = [Column("configuration", False), Column("n"), Column("claimed"), Column("measured"), Column("", False)]
    rows, notes = [], []
    for claim in _claims(own):
        notes += _origin(claim, by_title=True)
        for row in (row for row in own if row.claim is claim):
            title = f"{claim.title}\n{row.where}" + (f", {row.configuration}" if row.configuration else "")
            if row.reason and not isinstance(claim, NotTestable):
                notes.append(f"{claim.title}: {row.where}: {row.reason}.")
            if not row.conditions:
                rows.append([Cell(title), *[Cell(NOTHING)] * 3, Cell(row.verdict)])
            for condition in row.conditions:
                figure = condition.figure
                n = "exact" if figure.n is None else str(figure.n)
                measured = Cell(figure_text(figure), figure.value)
                rows.append([Cell(title), Cell(n), Cell(claimed_text(condition)), measured, Cell(row.verdict)])
    return Sheet("others", "Other claims", columns, rows, list(dict.fromkeys(notes)))


def _origin(claim: Claim, *, by_title: bool = False) -> list[str]:
    reason = f"Not testable here: {claim.reason}" if isinstance(claim, NotTestable) else ""
    text = " ".join(part for part in (f"{claim.source}: {claim.figures}.", claim.reading, reason) if part)
    return [f"{claim.title}. {text}" if by_title else text]
