"""What a comparison says, as sheets of text: the one content behind terminal, Markdown, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinyprop.compare.answer import Comparison, FamilyComparison, GroupSummary, Paired, PairedTable
from tinyprop.compare.quantities import SECONDS, Quantity, costs
from tinyprop.compare.statistics import LEVEL, Mean, Ratio, reciprocal
from tinyprop.report.quantities import energy, scaled, significant, times
from tinyprop.report.summary import MACS_NOTE

SIGNIFICANT = 1 - LEVEL
NOTHING = "–"


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and the number that it is sorted by."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Column:
    """A heading; numbers stand on the right."""

    heading: str
    numeric: bool = True


@dataclass(frozen=True)
class Sheet:
    """One table with what a reader must know of it."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str]


def sheets(each: FamilyComparison, *, brief: bool) -> list[Sheet]:
    """The tables of one family.

    Args:
        brief: for 80 columns: costs without their intervals.
    """
    numbers = {summary.group.label: index for index, summary in enumerate(each.groups, start=1)}
    found = [_configurations(each, brief=brief)]
    found += [paired_sheet(each, table, numbers, brief=brief) for table in each.tables]
    found.append(_reach(each, numbers, brief=brief))
    if len(each.groups) == 1:  # nothing to hold against each other
        return [sheet for sheet in found if sheet.rows]
    return [sheet for sheet in found if sheet.rows or sheet.notes]


def heading(each: FamilyComparison) -> str:
    """Which data, network and training, in one line."""
    return each.family.label


def subheading(each: FamilyComparison) -> str:
    """How many runs and seeds, and which data."""
    runs = sum(len(summary.group.runs) for summary in each.groups)
    seeds = each.family.seeds
    counted = f"{_plural(len(each.groups), 'configuration')}, {_plural(runs, 'run')}, {_plural(len(seeds), 'seed')}"
    return f"{counted} ({_seeds(seeds)}); data {each.family.fingerprint[:10]}"


def excluded(comparison: Comparison) -> Sheet:
    """Every run that takes no part, with the reason."""
    rows = [[Cell(run.status), Cell(run.what), Cell(" ".join(run.reason.split()))] for run in comparison.excluded]
    rows += [
        [
            Cell("missing"),
            Cell(f"{summary.group.label}, seed {seed}"),
            Cell("others have this seed" + (f"; {each.family.label}" if len(comparison.families) > 1 else "")),
        ]
        for each in comparison.families
        for summary in each.groups
        for seed, why in sorted(summary.group.missing.items())
        if why == "no run"
    ]
    title = f"{_plural(len(rows), 'run')} without a part in this" if rows else "All runs take part"
    return Sheet("excluded", title, [Column(name, False) for name in ("status", "run", "reason")], rows, [])


def remarks(comparison: Comparison) -> Iterator[str]:
    """What a reader must know of all the tables."""
    level = f"{LEVEL:.0%}".replace("%", " %")
    at_equal = next((q.title for q in costs("") if q.key == comparison.question.at_equal), "cost")
    yield f"± and [ ]: {level} intervals over seeds (Student's t, n − 1 degrees of freedom)."
    yield f"*: on the Pareto front. cost: {at_equal} over that of what it stands against."
    yield "p: paired t test, after Holm over its table; better and worse: under 0.05."
    yield "exact: permutation test of signs, uncorrected; never under 2^(1 − n)."
    yield f"backward, step: work of dense. {MACS_NOTE}"
    if any(each.target_name for each in comparison.families):
        yield "Cycles and energy are modelled, of one training step: docs/cost.md."
    yield from comparison.remarks


def mean_text(quantity: Quantity, mean: Mean | None, *, interval: bool = True, with_unit: bool = True) -> str:
    """A mean with its unit, and what stands behind ±."""
    if mean is None:
        return NOTHING
    value, scale, unit, digits = _scaled(quantity, mean.mean)
    unit = "" if unit == " %" and not with_unit else unit
    if mean.half_width is None or not interval or mean.half_width == 0:
        return f"{value}{unit}"
    half = f"{mean.half_width * scale:.{digits}f}"
    return f"{value} ± {half}{unit}" if float(half) else f"{value}{unit}"


def _configurations(each: FamilyComparison, *, brief: bool) -> Sheet:
    score = f"{each.score.title} %" if brief and each.score.kind == "share" else each.score.title
    columns = [Column("#"), Column("configuration", False), Column("n"), Column(score)]
    columns += [Column(_SHORT.get(cost.key, cost.title) if brief else cost.title) for cost in each.costs]
    columns += [] if brief else [Column("less backward work"), Column(SECONDS.title)]
    rows = []
    most = len(each.family.seeds)
    for number, summary in enumerate(each.groups, start=1):
        n = len(summary.group.runs)
        row = [Cell(str(number), number), Cell(summary.group.label), Cell(str(n) if n == most else f"{n}/{most}", n)]
        row.append(_mean_cell(each.score, summary, with_unit=not brief))
        for cost in each.costs:
            cell = _mean_cell(cost, summary, interval=not brief, with_unit=not brief)
            row.append(Cell(cell.text + ("*" if cost.key in summary.on_front else ""), cell.value))
        rows.append(row if brief else [*row, _saved(summary), _mean_cell(SECONDS, summary)])
    notes = [
        f"{summary.group.label}: " + _missing(summary.group.missing) for summary in each.groups if summary.group.missing
    ]
    if each.target_name:
        notes.append(f"Cycles and energy: modelled, of a step on {each.target_name}. *: on the Pareto front.")
    notes += each.family.notes
    return Sheet("configurations", f"{each.score.title} and cost", columns, rows, notes)


def paired_sheet(each: FamilyComparison, table: PairedTable, numbers: dict[str, int], *, brief: bool) -> Sheet:
    against = table.kind == "strongest"
    unit = " in points" if each.score.kind == "share" else ""
    columns = [Column("#"), Column("configuration", False), Column("n")]
    columns += [Column(f"difference{unit}"), Column("p"), Column("exact"), Column("cost"), Column("", False)]
    rows = []
    for row in table.rows:
        reference = f"vs {_reference(row, numbers)}" if brief else f"against {row.reference}"
        name = f"{row.label}\n{reference}" if against else row.label
        rows.append(
            [
                Cell(str(numbers[row.label]), numbers[row.label]),
                Cell(name),
                Cell(str(row.difference.n), row.difference.n),
                difference_cell(each.score, row),
                _p(row.difference.p_holm),
                _p(row.difference.p_exact),
                Cell(NOTHING if row.cost_ratio is None else times(row.cost_ratio), row.cost_ratio),
                Cell(verdict(each.score, row)),
            ]
        )
    notes = [table.note] if table.note else []
    if any(row.costs_more for row in table.rows):
        dearer = ", ".join(row.label for row in table.rows if row.costs_more)
        notes.append(f"The strongest fixed ratio costs more than {dearer}: with that output layer none is as cheap.")
    for row in table.rows:
        odd = {seed: why for seed, why in (row.dropped or {}).items() if "weights" in why}
        notes += [f"{row.label}: seed {seed} is no pair: {why}." for seed, why in odd.items()]
    if against and not table.rows and not table.note:
        notes.append("There is no other policy here than dense and fixed ratios.")
    return Sheet(table.kind, f"{each.score.title} {table.title}", columns, rows, notes)


def _reach(each: FamilyComparison, numbers: dict[str, int], *, brief: bool) -> Sheet:
    reach = each.reach
    columns = [Column("#"), Column("configuration", False), Column("reached"), Column("epochs")]
    columns += [Column("backward\nMACs"), Column("step\nMACs"), Column("backward,\nless"), Column("step,\nless")]
    rows = [
        [
            Cell(str(numbers[row.label]), numbers[row.label]),
            Cell(row.label),
            Cell(f"{row.reached}/{row.runs}", row.reached),
            Cell(NOTHING if row.epochs is None else f"{row.epochs.mean:.1f}", _value(row.epochs)),
            Cell(NOTHING if row.backward_macs is None else scaled(row.backward_macs.mean), _value(row.backward_macs)),
            Cell(NOTHING if row.step_macs is None else scaled(row.step_macs.mean), _value(row.step_macs)),
            _ratio(row.saved, interval=not brief),
            _ratio(row.saved_step, interval=not brief),
        ]
        for row in reach.rows
    ]
    title = "Work to reach a score"
    notes = []
    if reach.threshold is not None:
        score = mean_text(each.score, Mean(1, reach.threshold, None, None, None))
        title = f"Work until {reach.split} {each.score.title} reaches {score}, {reach.origin}"
        if any(0 < row.reached < row.runs for row in reach.rows):
            notes.append("Where not all runs reached it, the means are of those that did.")
        if each.baseline is not None:
            notes.append(f"less: {each.baseline}'s work over this one's, of seeds where both reached it.")
    if reach.note:
        notes.append(reach.note)
    return Sheet("reach", title, columns, rows, notes)


def _reference(row: Paired, numbers: dict[str, int]) -> str:
    """What a row stands against by the numbers of its configurations: ``45% #2 + 55% #4``."""
    return " + ".join(
        f"#{numbers[label]}" if share == 1 else f"{round(100 * share)}% #{numbers[label]}" for label, share in row.parts
    )


def difference_cell(score: Quantity, row: Paired) -> Cell:
    """A mean difference with its interval, in points where scores are shares."""
    found = row.difference
    if found.mean is None:
        return Cell("no pair")
    scale, digits = (100, 2) if score.kind == "share" else (1, 4)
    if max(abs(scale * (end or 0.0)) for end in (found.mean, found.low, found.high)) >= 99.995:
        digits = 1  # so wide an interval has no use for more
    text = f"{_signed(found.mean * scale, digits)}"
    if found.low is not None and found.high is not None:
        text += f" [{_signed(found.low * scale, digits)}, {_signed(found.high * scale, digits)}]"
    return Cell(text, found.mean * scale)


def verdict(score: Quantity, row: Paired) -> str:
    """What the corrected test says: ``better``, ``worse``, ``unclear``, or ``open``, which would be better if the other
    static baseline were there and did not say otherwise.
    """
    found = row.difference
    if found.mean is None or found.p_holm is None:
        return "too few pairs"
    if found.p_holm >= SIGNIFICANT:
        return "unclear"
    better = (found.mean > 0) == score.higher_is_better
    return "worse" if not better else "better" if row.credited else "open"


def _mean_cell(quantity: Quantity, summary: GroupSummary, *, interval: bool = True, with_unit: bool = True) -> Cell:
    mean = summary.means.get(quantity.key)
    text = mean_text(quantity, mean, interval=interval, with_unit=with_unit)
    return Cell(text, None if mean is None else mean.mean)


def _saved(summary: GroupSummary) -> Cell:

    mean = summary.means.get("backward_ratio")
    return Cell(NOTHING) if mean is None or mean.mean == 0 else _ratio(reciprocal(mean))


def _ratio(ratio: Ratio | None, *, interval: bool = True) -> Cell:
    if ratio is None:
        return Cell(NOTHING)
    text = times(ratio.ratio)
    if interval and ratio.low is not None and ratio.high is not None and ratio.low != ratio.high:
        text += f" [{times(ratio.low)[:-1]}, {times(ratio.high)[:-1]}]"
    return Cell(text, ratio.ratio)


def _scaled(quantity: Quantity, value: float) -> tuple[str, float, str, int]:
    """The value as text, what its interval is multiplied by, their unit, and the interval's digits."""
    if quantity.kind == "share":
        return f"{100 * value:.2f}", 100, " %", 2
    if quantity.kind == "ratio":
        return f"{100 * value:.1f}", 100, " %", 1
    if quantity.kind == "seconds":
        text = significant(value)
        return text, 1, " s", len(text.partition(".")[2])
    if quantity.kind in ("cycles", "energy"):
        text, _, unit = (scaled(value) if quantity.kind == "cycles" else energy(value)).partition(" ")
        scale = float(text.replace(",", "")) / value if value else 1
        return text, scale, f" {unit}".rstrip(), len(text.partition(".")[2])
    return f"{value:.4f}", 1, "", 4


def _missing(missing: dict[int, str]) -> str:
    reasons: dict[str, list[int]] = {}
    for seed, why in sorted(missing.items()):
        reasons.setdefault(why, []).append(seed)
    return "; ".join(f"seed{'' if len(seeds) == 1 else 's'} {_seeds(seeds)}: {why}" for why, seeds in reasons.items())


def _plural(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _seeds(seeds: Sequence[int]) -> str:
    """Seeds in ascending order, those that follow each other as a range: ``0–4, 7``; of many the first."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1].append(seed)
        else:
            ranges.append([seed])
    parts = [f"{part[0]}–{part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in ranges]
    return ", ".join([*parts[:_RANGES], *(["…"] if len(parts) > _RANGES else [])])


_RANGES = 8


def _p(p: float | None) -> Cell:
    return Cell(NOTHING) if p is None else Cell("<0.001" if p < 0.001 else f"{p:.3f}", p)


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def _value(mean: Mean | None) -> float | None:
    return None if mean is None else mean.mean


_SHORT = {"backward_ratio": "back-\nward %", "step_ratio": "step\n%", "cycles": "cycles", "microjoules": "energy"}
