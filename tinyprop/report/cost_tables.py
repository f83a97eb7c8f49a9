"""What `tinyprop cost` prints, on 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyprop.cost import Footprint, Prediction, Target
from tinyprop.estimate.comparison import Answer, Case, Row
from tinyprop.estimate.estimate import SCOPES, Estimate
from tinyprop.report.modelled import BASELINES, stated_error
from tinyprop.report.quantities import scaled, significant, times

_FAILS = "NO"
_Each = TypeVar("_Each", Row, Answer)


def comparison_table(rows: Sequence[Row]) -> RenderableType:
    """What each case and its baselines take on each target, then how many times faster than the baselines it is."""
    parts: list[RenderableType] = [*_head([row.case for row in rows])]
    for target, of_target in _by_target(rows):
        parts += [Text(), Text(_title(target), "bold"), _costs(of_target), *_misfits(of_target)]
        parts += [Text(), _gains(of_target)]
    parts += [Text(), *(Text(note, "dim") for note in notes_on([(row.case, row.estimate) for row in rows]))]
    return Group(*parts)


def answers_table(answers: Sequence[Answer], budget: str) -> RenderableType:
    """The largest ratio that the budget allows, and what is gained at it over dense backpropagation."""
    parts: list[RenderableType] = [*_head([answer.case for answer in answers]), Text(f"Budget of a step: {budget}")]
    parts += [Text(_label(answer.number, answer.case)) for answer in _first(answers)]
    for target, of_target in _by_target(answers):
        table = _table("case", "largest ratio", "backward", "w/o opt.", "step", "at most", "ms", "mJ", "RAM KB")
        for answer in of_target:
            gain, bound = answer.estimate.gains["dense"], answer.estimate.bound
            table.add_row(
                str(answer.number),
                _allowed(answer),
                *(times(getattr(gain, scope)) for scope in SCOPES),
                times(bound.by_cycles_with_update),
                *_cells(answer.estimate.prediction, answer.estimate.memory)[2:5],
            )
        parts += [Text(), Text(_title(target), "bold"), table]
    parts += [
        Text(),
        Text("backward, w/o opt., step: times as fast as dense at that ratio; at most: the", "dim"),
        Text("whole step, were the backward pass free. none: keeping least is too much already.", "dim"),
        *(Text(note, "dim") for note in notes_on([(each.case, each.estimate) for each in answers], asks=True)),
    ]
    return Group(*parts)


def _head(cases: Sequence[Case]) -> Iterator[Text]:
    yield Text("Modelled cost of a training step; nothing was run.", "bold")
    described = [_parts(case) for case in cases]
    yield Text(" · ".join(part for part in described[0] if all(part in other for other in described)))


def _parts(case: Case) -> list[str]:
    config, step = case.config, case.step
    shape = "×".join(map(str, step.specification.input_shape))
    return [
        f"{config.dataset.name} ({shape} to {step.specification.output_shape[0]})",
        config.model.name,
        config.policy.name,
        config.optimizer.name,
        f"batch of {step.batch_size}",
        *([f"{step.micro_batch} at a time"] if step.micro_batch is not None else []),
        *(["skipping zeros"] if step.skip_zeros else []),
    ]


def _label(number: int, case: Case) -> str:
    text = " ".join(case.overrides) or case.config.policy.name
    return f"{number} {text}{f', keeping {case.kept_from}' if case.kept_from in ('least', 'most') else ''}"


def _title(target: Target) -> str:
    sizes = f"{target.sram_bytes / 1024:,.0f} KB SRAM, {target.flash_bytes / 1024:,.0f} KB flash"
    return f"{target.name} ({target.core}, {target.clock_mhz:g} MHz, {sizes})"


def _costs(rows: Sequence[Row]) -> Table:
    table = _table("case", "instr.", "cycles", "ms", "mJ", "RAM KB", "flash KB", "fits")
    for _, group in groupby(rows, key=lambda row: row.case.group):
        members = list(group)
        for row in members:
            table.add_row(Text(_label(row.number, row.case)), *_cells(row.estimate.prediction, row.estimate.memory))
        for baseline, (prediction, memory) in members[0].estimate.baselines.items():
            table.add_row(f"  {BASELINES[baseline]}", *_cells(prediction, memory))
        table.add_section()
    return table


def _cells(prediction: Prediction, memory: Footprint) -> list[str | Text]:
    knows_power = prediction.target.knows_power
    return [
        scaled(prediction.instructions),
        scaled(prediction.cycles),
        significant(prediction.milliseconds),
        significant(prediction.microjoules / 1e3) if knows_power else "–",
        f"{sum(memory.ram.values()) / 1024:,.1f}",
        f"{sum(memory.flash.values()) / 1024:,.1f}",
        "yes" if memory.fits else Text(_FAILS, "bold red"),
    ]


def _gains(rows: Sequence[Row]) -> Table:
    table = _table("times as fast as", "backward\nonly", "step without\noptimizer", "step with\noptimizer")
    for row in rows:
        table.add_row(Text(_label(row.number, row.case), "italic"), "", "", "")
        for baseline, gain in row.estimate.gains.items():
            table.add_row(f"    {BASELINES[baseline]}", *(times(getattr(gain, scope)) for scope in SCOPES))
        limit = row.estimate.bound
        table.add_row("    dense, at most", "–", times(limit.by_cycles), times(limit.by_cycles_with_update))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(headings[0], overflow="fold")
    for heading in headings[1:]:
        table.add_column(heading, justify="right", overflow="fold", no_wrap=heading != headings[-1])
    return table


def _misfits(rows: Sequence[Row]) -> Iterator[Text]:
    for row in rows:
        for lacking in row.estimate.memory.lacking:
            yield Text(f"{row.number} does not fit: {lacking}", "bold red")


def notes_on(pairs: Sequence[tuple[Case, Estimate]], *, asks: bool = False) -> Iterator[str]:
    """What a reader must know of these figures: how they were come by, how far off they are, what was assumed."""
    yield "Times and energies are modelled at the highest clock: see docs/cost.md."
    origins = {case.kept_from for case, _ in pairs}
    if "least" in origins and not asks:
        yield (
            "What an adaptive policy keeps depends on the data: least and most are the limits that its settings set; "
            "--kept 0.1 or --run NAME says how much."
        )
    for origin in sorted(origins - {"least", "most", "policy"}):
        yield f"Kept fractions of adaptive policies: {'those given by --kept' if origin == '--kept' else origin}."
    if not any(known.zero_inputs for case, _ in pairs for known in case.step.activity.values()):
        yield "Assumed: no input is exactly zero, and half of what leaves a ReLU is."
    errors = {each.target.core: stated_error(each.errors) for _, each in pairs}
    yield from (f"{core}: {said}, in networks held out." for core, said in errors.items() if said)
    silent = {each.target.name for _, each in pairs if not each.target.knows_power}
    yield from (f"No energy for {name}: its file has no current and voltage." for name in silent)


def _first(answers: Sequence[Answer]) -> list[Answer]:
    """Those of the first target: every case once."""
    return next(_by_target(answers))[1]


def _allowed(answer: Answer) -> str:
    ratio, bounded_by = answer.allowance.ratio, answer.allowance.bounded_by
    if ratio is None:
        return f"none: {_WORDS[bounded_by or '']}"
    shown = math.floor(ratio * 1e4) / 1e4  # a ratio rounded up would keep an entry more, and break the budget
    return "any" if bounded_by is None else f"{shown:.4f} ({_WORDS[bounded_by]})"


_WORDS = {"milliseconds": "time", "microjoules": "energy", "ram_bytes": "RAM", "": ""}


def _by_target(rows: Sequence[_Each]) -> Iterator[tuple[Target, list[_Each]]]:
    for _, group in groupby(rows, key=lambda row: id(row.estimate.target)):
        members = list(group)
        yield members[0].estimate.target, members
