"""The trials of a search, the best of them, and how to repeat those."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyprop.report.quantities import scaled
from tinyprop.report.summary import MACS_NOTE, metric_text, percent

_STYLES = {"failed": "bold red", "open": "yellow", "pruned": "dim"}
_COMMANDS = 5
"""Commands printed of a long Pareto front."""


def search_table(search: Mapping[str, Any]) -> RenderableType:
    """One row a trial, then why some gave nothing, the best or the Pareto front, and the commands that repeat it.

    Args:
        search: ``study``, ``storage``, ``space`` (texts), ``seeds``, ``objectives`` (mappings of ``name`` and
            ``maximised``), ``n_trials``, and ``trials``: mappings of ``number``, ``status``, ``values``,
            ``scores`` (one an objective, or None), ``reason``, ``best`` and ``command``; ``forced``: whether earlier
            trials were forgotten.
    """
    objectives, trials = search["objectives"], search["trials"]
    keys = list(dict.fromkeys(key for trial in trials for key in trial["values"]))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right", no_wrap=True)
    for key in keys:
        table.add_column(_short(key, keys), justify="right")
    table.add_column("status", no_wrap=True)
    for objective in objectives:
        table.add_column(_heading(objective["name"]), justify="right")
    table.add_column("")
    for trial in trials:
        scores = trial["scores"] or [None] * len(objectives)
        table.add_row(
            str(trial["number"]),
            *(_value(trial["values"].get(key)) for key in keys),
            Text(trial["status"], style=_STYLES.get(trial["status"], "")),
            *(_score(objective["name"], score) for objective, score in zip(objectives, scores, strict=True)),
            "*" if trial["best"] else "",
        )
    parts: list[RenderableType] = [Text(f"Search {search['study']}", style="bold")]
    parts += [Text(f"  {line}") for line in search["space"]]
    parts += [table]
    parts += [
        Text(f"{trial['number']} failed: {trial['reason']}", style=_STYLES["failed"])
        for trial in trials
        if trial["status"] == "failed"
    ]
    parts.append(Text(_counted(search), style="bold"))
    parts += _best(objectives, [trial for trial in trials if trial["best"]])
    notes = [f"Scores are means over seeds {', '.join(map(str, search['seeds']))}."] if len(search["seeds"]) > 1 else []
    if any(objective["name"].startswith("macs.") for objective in objectives):
        notes.append(f"Ratios: work against dense. {MACS_NOTE}")
    if any(objective["name"].startswith("cost.") for objective in objectives):
        notes.append("Figures of microcontrollers are modelled: docs/cost.md.")
    command = "The same command without --force" if search.get("forced") else "The same command"
    notes.append(f"{command} goes on with this search, in {search['storage']}.")
    return Group(*parts, *(Text(note, style="dim") for note in notes))


def _counted(search: Mapping[str, Any]) -> str:
    counts = Counter(trial["status"] for trial in search["trials"])
    ended = ", ".join(
        f"{counts[status]} {status}" for status in ("complete", "pruned", "failed", "open") if counts[status]
    )
    count = len(search["trials"])
    return f"{count} of {max(count, search['n_trials'])} trials: {ended or 'none'}"


def _best(objectives: Sequence[Mapping[str, Any]], best: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """The best trials, by the last objective, and the commands of some of them."""
    if not best:
        return [Text("No trial has ended, so none is best.")]
    if len(objectives) == 1:
        shown = best[:1]
        return [Text(f"Best: {_named(objectives, shown[0])}", style="bold"), *_commands(objectives, shown)]
    front = sorted(best, key=lambda trial: trial["scores"][-1])
    counted = f"{len(front)} trial{'' if len(front) == 1 else 's'}"
    parts: list[RenderableType] = [Text(f"Pareto front (*): {counted} that no other beats in everything", style="bold")]
    if len(front) <= _COMMANDS:
        return [*parts, *_commands(objectives, front)]
    spread = [front[round(index * (len(front) - 1) / (_COMMANDS - 1))] for index in range(_COMMANDS)]
    return [
        *parts,
        *_commands(objectives, spread),
        Text("The others: --json, or command.txt of their runs.", style="dim"),
    ]


def _commands(objectives: Sequence[Mapping[str, Any]], trials: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for trial in trials:
        if len(objectives) > 1:
            lines.append(Text(f"  {_named(objectives, trial)}"))
        # Whole on one line, however long, so that it can be copied.
        lines.append(Text(f"    {trial['command']}", no_wrap=True, overflow="ignore"))
    return lines


def _named(objectives: Sequence[Mapping[str, Any]], trial: Mapping[str, Any]) -> str:
    scores = ", ".join(
        f"{_heading(objective['name'])} {_score(objective['name'], score)}"
        for objective, score in zip(objectives, trial["scores"], strict=True)
    )
    return f"trial {trial['number']}, {scores}"


def _heading(name: str) -> str:
    if name.startswith("cost."):
        _, target, figure = name.split(".", 2)
        return f"{figure.replace('.', ' ')} on {target}"
    return name.removeprefix("macs.").replace("_", " ")


def _score(name: str, score: float | None) -> str:
    if score is None:
        return "–"
    if name.startswith("macs."):
        return percent(score)
    return scaled(score) if name.startswith("cost.") and "speed_up" not in name else metric_text(name, score)


def _value(value: object) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _short(key: str, keys: Sequence[str]) -> str:
    """A key without its group, where no other one is named alike."""
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key
