"""A reproduction on the terminal, at 80 columns, and as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tinyprop.compare.answer import Paired
from tinyprop.report import reproduction_sheets
from tinyprop.report.comparison_data import paired_values
from tinyprop.report.comparison_tables import sheet_table
from tinyprop.reproduction import RULE, Evidence, Figure, Score
from tinyprop.reproduction.ideas import IdeaTable

FORMAT = "tinyprop-reproduction-1"


def reproduction_tables(
    evidence: Mapping[str, Evidence], scores: Sequence[Score], ideas: Sequence[IdeaTable]
) -> RenderableType:
    """The rule, the studies, every claim, and where several studies were asked for the verdicts in one table."""
    parts: list[RenderableType] = [Text("The rule of the verdicts", "bold"), *(Text(line) for line in RULE), Text()]
    for each in evidence.values():
        parts += [Text(reproduction_sheets.heading(each), "bold"), Text(reproduction_sheets.subheading(each))]
        parts += [Text(line) for line in reproduction_sheets.excluded(each)]
        parts += [Text(note, "dim") for note in (each.data.notes if each.data else ())] + [Text()]
    sheets = [*reproduction_sheets.claim_sheets(scores, brief=True), *reproduction_sheets.idea_sheets(ideas, evidence)]
    if len(evidence) > 1:
        sheets.append(reproduction_sheets.overview(scores, evidence))
    for sheet in sheets:
        parts += [*sheet_table(sheet), Text()]
    parts += [Text(line, "dim") for line in reproduction_sheets.COUNTED]
    return Group(*parts)


def as_dict(evidence: Mapping[str, Evidence], scores: Sequence[Score], ideas: Sequence[IdeaTable]) -> dict[str, Any]:
    """Everything as JSON values; accuracies in per cent, differences in points, work as how many times less."""
    return {
        "format": FORMAT,
        "rule": list(RULE),
        "studies": [_study(each) for each in evidence.values()],
        "scores": [_score(row) for row in scores],
        "ideas": [
            {"study": each.study, "rows": [_idea(evidence[each.study], row) for row in each.rows]} for each in ideas
        ],
    }


def _study(each: Evidence) -> dict[str, Any]:
    return {
        "name": each.study.name,
        "experiment": each.study.experiment,
        "runs": each.expected,
        "finished": each.finished,
        "data": None if each.data is None else asdict(each.data),
        "excluded": [asdict(run) for run in each.excluded],
    }


def _idea(each: Evidence, row: Paired) -> dict[str, Any]:
    assert each.comparison is not None
    return {"configuration": row.label, **paired_values(each.comparison, row)}


def _score(row: Score) -> dict[str, Any]:
    return {
        "claim": row.claim.key,
        "title": row.claim.title,
        "source": row.claim.source,
        "figures": row.claim.figures,
        "where": row.where,
        "configuration": row.configuration,
        "counted": row.counted,
        "measured": [
            {
                **_figure(condition.figure),
                "at_least": _finite(condition.at_least),
                "at_most": _finite(condition.at_most),
                "met": condition.met,
            }
            for condition in row.conditions
        ],
        "verdict": row.verdict,
        "reason": row.reason,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    numbers = {key: _finite(getattr(figure, key)) for key in ("value", "low", "high")}
    return {"name": figure.name, "unit": figure.unit, "n": figure.n, **numbers}


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
