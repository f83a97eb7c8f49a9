"""The interactive charts of a comparison, as Plotly's own JSON; the page's script gives them the page's colours."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from tinyprop.compare.answer import FamilyComparison, GroupSummary, PairedTable
from tinyprop.compare.quantities import Quantity
from tinyprop.compare.run import Run
from tinyprop.compare.statistics import Mean
from tinyprop.report.comparison_plots import Style, floor_of, styles
from tinyprop.report.comparison_sheets import difference_cell, mean_text, verdict

Trace = dict[str, Any]

_SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x",
    "p": "pentagon", "h": "hexagon", "<": "triangle-left", ">": "triangle-right", "*": "star", "d": "diamond-tall",
    "8": "octagon", "H": "hexagon2",
}  # fmt: skip
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        description: what it shows, for who cannot see it.
        choices: name, traces and layout of each state that a reader can choose.
        note: what a reader must know of it.
    """

    title: str
    description: str
    choices: list[tuple[str, list[Trace], dict[str, Any]]]
    note: str | None = None


def charts(each: FamilyComparison) -> list[Chart]:
    """What there is to show of a family."""
    found = []
    if each.costs:
        found.append(_score_against_cost(each))
    if any(each.reach.curves.values()):
        found.append(_learning_curves(each))
    found += [_differences(each, table) for table in each.tables if table.rows]
    return found


def _score_against_cost(each: FamilyComparison) -> Chart:
    choices = []
    style = styles(each.groups)
    floor = floor_of(each)
    top = None if floor is None else [_shown(each.score, floor), _shown(each.score, _highest(each))]
    for cost in each.costs:
        traces: list[Trace] = []
        for summary in each.groups:
            if {cost.key, each.score.key} <= summary.means.keys():
                traces += _runs_and_mean(each, cost, summary, style[summary.group.label])
        front = sorted(
            (_shown(cost, summary.means[cost.key].mean), _shown(each.score, summary.means[each.score.key].mean))
            for summary in each.groups
            if cost.key in summary.on_front
        )
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": "Pareto front", "hoverinfo": "skip",
                "x": [x for x, _ in front], "y": [y for _, y in front], "line": {"color": "#808080", "width": 1.5},
            }
        )  # fmt: skip
        layout = {
            "xaxis": {"title": {"text": _axis(cost, each)}},
            "yaxis": {"title": {"text": _axis(each.score, each)}, **({} if top is None else {"range": top})},
            "legend": {},
            "hovermode": "closest",
        }
        choices.append((cost.title, traces, layout))
    return Chart(
        f"{each.score.title} against cost",
        f"Mean {each.score.title} of every configuration against its cost, with intervals, and every run as a faint "
        "point. The numbers are in the first table below.",
        choices,
        None if floor is None else _beneath(each, floor),
    )


def _highest(each: FamilyComparison) -> float:
    values = [value for summary in each.groups for value in summary.group.values(each.score).values()]
    highs = [mean.high or 0.0 for summary in each.groups if (mean := summary.means.get(each.score.key))]
    return max(values + highs) + 0.01


def _beneath(each: FamilyComparison, floor: float) -> str:
    means = [(summary.group.label, summary.means.get(each.score.key)) for summary in each.groups]
    beneath = [f"{label} ({mean_text(each.score, mean)})" for label, mean in means if mean and mean.mean < floor]
    return f"Beneath what is shown: {'; '.join(beneath)}. A double click shows everything."


def _runs_and_mean(each: FamilyComparison, cost: Quantity, summary: GroupSummary, style: Style) -> list[Trace]:
    group = summary.group
    spent, reached = group.values(cost), group.values(each.score)
    seeds = sorted(spent.keys() & reached.keys())
    common = {"type": "scatter", "mode": "markers", "legendgroup": group.label, "hoverinfo": "text"}
    return [
        {
            **common,
            "name": f"runs of {group.label}",
            "showlegend": False,
            "x": [_shown(cost, spent[seed]) for seed in seeds],
            "y": [_shown(each.score, reached[seed]) for seed in seeds],
            "text": [_hover_run(each, group.label, seed, group.runs[seed]) for seed in seeds],
            "marker": {"symbol": _symbol(style), "color": style.colour, "size": 6, "opacity": 0.35},
        },
        {
            **common,
            "name": group.label,
            "x": [_shown(cost, summary.means[cost.key].mean)],
            "y": [_shown(each.score, summary.means[each.score.key].mean)],
            "error_x": _error(cost, summary.means[cost.key], style),
            "error_y": _error(each.score, summary.means[each.score.key], style),
            "text": [_hover_mean(each, summary)],
            "marker": {"symbol": _symbol(style), "color": style.colour, "size": 12},
        },
    ]


def _learning_curves(each: FamilyComparison) -> Chart:
    style = styles(each.groups)
    choices = []
    for key, title in (("backward_macs", "backward MACs"), ("step_macs", "step MACs"), ("epoch", "epochs")):
        traces: list[Trace] = []
        for index, summary in enumerate(each.groups):
            runs = each.reach.curves.get(summary.group.label)
            if not runs:
                continue
            length = min(map(len, runs.values()))
            work = np.mean([[getattr(point, key) for point in points[:length]] for points in runs.values()], axis=0)
            score = np.mean([[point.score for point in points[:length]] for points in runs.values()], axis=0)
            drawn = style[summary.group.label]
            traces.append(
                {
                    "type": "scatter", "mode": "lines+markers", "name": summary.group.label, "hoverinfo": "text",
                    "x": work.tolist(), "y": [_shown(each.score, value) for value in score],
                    "text": [
                        f"<b>{escape(summary.group.label)}</b><br>epoch {epoch}: "
                        f"{mean_text(each.score, Mean(1, float(value), None, None, None))}"
                        f"<br>mean of seeds {', '.join(map(str, runs))}"
                        for epoch, value in enumerate(score, start=1)
                    ],
                    "line": {"color": drawn.colour, "dash": _DASHES[index % len(_DASHES)]},
                    "marker": {"symbol": _symbol(drawn), "color": drawn.colour, "size": 7},
                }
            )  # fmt: skip
        layout: dict[str, Any] = {
            "xaxis": {"title": {"text": f"{title} so far" if key != "epoch" else title}},
            "yaxis": {"title": {"text": f"{each.reach.split} {_axis(each.score, each)}"}},
            "legend": {},
            "hovermode": "closest",
        }
        if each.reach.threshold is not None:
            level = _shown(each.score, each.reach.threshold)
            layout["shapes"] = [
                {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level,
                 "line": {"color": "#808080", "dash": "dot", "width": 1}}
            ]  # fmt: skip
        choices.append((title, traces, layout))
    return Chart(
        f"{each.score.title} during training",
        f"Mean {each.reach.split} {each.score.title} at the end of each epoch against the work until then. The work "
        "until a score was reached is in the last table below.",
        choices,
    )


def _differences(each: FamilyComparison, table: PairedTable) -> Chart:
    style = styles(each.groups)
    scale = 100 if each.score.kind == "share" else 1
    traces: list[Trace] = []
    for row in reversed(table.rows):
        found = row.difference
        if found.mean is None:
            continue
        drawn = style[row.label]
        low, high = found.low, found.high
        error = {} if low is None or high is None else {"array": [scale * (high - found.mean)]}
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": row.label, "showlegend": False, "hoverinfo": "text",
                "x": [scale * found.mean], "y": [row.label],
                "error_x": {"type": "data", "color": drawn.colour, **error},
                "text": [
                    f"<b>{escape(row.label)}</b><br>against {escape(row.reference)}<br>"
                    f"{difference_cell(each.score, row).text}, {verdict(each.score, row)}"
                    f"<br>seeds {', '.join(map(str, found.seeds))}"
                ],
                "marker": {"symbol": _symbol(drawn), "color": drawn.colour, "size": 11},
            }
        )  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "difference" + (" in points" if scale == 100 else "")}, "zeroline": True},
        "yaxis": {
            "type": "category",
            "tickvals": [row.label for row in table.rows],
            "ticktext": [escape(row.label).replace(", ", ",<br>") for row in table.rows],
            "tickfont": {"size": 11},
        },
        "height": 120 + 48 * len(table.rows),
    }
    return Chart(
        f"{each.score.title} {table.title}",
        f"Mean paired differences {table.title} with their intervals. The numbers are in the table of the same name.",
        [("", traces, layout)],
    )


def _hover_run(each: FamilyComparison, label: str, seed: int, run: Run) -> str:
    lines = [f"<b>{escape(label)}</b>", f"seed {seed}: {escape(run.name)}", escape(run.place)]
    for quantity in (each.score, *each.costs):
        value = quantity.of(run)
        if value is not None:
            lines.append(f"{quantity.title}: {mean_text(quantity, Mean(1, value, None, None, None))}")
    return "<br>".join(lines)


def _hover_mean(each: FamilyComparison, summary: GroupSummary) -> str:
    lines = [f"<b>{escape(summary.group.label)}</b>, mean of seeds {', '.join(map(str, sorted(summary.group.runs)))}"]
    lines += [f"{each_.title}: {mean_text(each_, summary.means.get(each_.key))}" for each_ in (each.score, *each.costs)]
    return "<br>".join(lines + [escape(run.name) for _, run in sorted(summary.group.runs.items())])


def _error(quantity: Quantity, mean: Mean, style: Style) -> dict[str, Any]:
    half = mean.half_width
    return {"type": "data", "array": [_shown(quantity, half)] if half else [0], "color": style.colour, "thickness": 1}


def _axis(quantity: Quantity, each: FamilyComparison) -> str:
    if quantity.kind == "ratio":
        return f"{quantity.title}, % of dense"
    if quantity.kind == "share":
        return f"{quantity.title}, %"
    if quantity.kind in ("cycles", "energy"):
        unit = ", µJ" if quantity.kind == "energy" else ""
        return f"{quantity.title}{unit}, modelled on {each.target_name}"
    return quantity.title


def _shown(quantity: Quantity, value: float) -> float:
    return 100 * value if quantity.kind in ("share", "ratio") else value


def _symbol(style: Style) -> str:
    return _SYMBOLS[style.marker] + ("-open" if style.hollow else "")
