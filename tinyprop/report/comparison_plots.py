"""Figures of a comparison: small multiples, legible in black and white, drawn without a browser.

Every configuration has one marker throughout: its shape says the policy and its ratio, filled that the output layer is
dense, hollow that it is sparse. Names stand in a legend beside the panels, so that no two can overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, PercentFormatter

from tinyprop.compare.answer import FamilyComparison, GroupSummary, PairedTable, ReachRow
from tinyprop.compare.quantities import Quantity
from tinyprop.compare.statistics import Mean
from tinyprop.report.comparison_sheets import mean_text
from tinyprop.report.plots import COLOURS

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "h", "<", ">", "*", "d", "8", "H")
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "++", "oo", "||", "--", "**")
_ROW = 0.34
"""Inches that a row of names takes."""
_OFF = 0.2
"""Shares that lie further than this under the best are shown at the edge, so that the others can be told apart."""


@dataclass(frozen=True)
class Style:
    """How one configuration is drawn, in every figure of its family."""

    marker: str
    colour: str
    line: Any
    hatch: str
    hollow: bool


def figures(each: FamilyComparison) -> dict[str, Figure]:
    """The figures that there is something to show in, by name."""
    found: dict[str, Figure] = {}
    if each.costs:
        found["accuracy_against_cost"] = score_against_cost(each)
    if any(table.rows for table in each.tables):
        found["paired_differences"] = paired_differences(each)
    if any(each.reach.curves.values()):
        found["learning_curves"] = learning_curves(each)
    if any(row.reached for row in each.reach.rows):
        found["work_to_reach"] = work_to_reach(each)
    return found


def styles(groups: Sequence[GroupSummary]) -> dict[str, Style]:
    """A style for each configuration, by label. Those that differ in the output layer alone share marker and colour."""
    shapes: dict[str, int] = {}
    found = {}
    for index, summary in enumerate(groups):
        shape = shapes.setdefault(summary.group.label.removesuffix(f", output {summary.group.output}"), len(shapes))
        found[summary.group.label] = Style(
            _MARKERS[shape % len(_MARKERS)],
            COLOURS[shape % len(COLOURS)],
            _LINES[index % len(_LINES)],
            _HATCHES[index % len(_HATCHES)],
            summary.group.output == "sparse" and "output" in summary.group.label,
        )
    return found


def floor_of(each: FamilyComparison) -> float | None:
    """Where the panels end below, if some shares lie so far under the best that the others would be one to the eye."""
    scores = [summary.means[each.score.key].mean for summary in each.groups if each.score.key in summary.means]
    if each.score.kind != "share" or max(scores) - min(scores) <= _OFF:
        return None
    near = [score for score in scores if score >= max(scores) - _OFF]
    return min(near) - 0.6 * (max(near) - min(near)) - 0.02


def score_against_cost(each: FamilyComparison) -> Figure:
    """The score against every cost, one panel each: means, intervals both ways, and the Pareto front as a line."""
    style = styles(each.groups)
    columns = 2 if len(each.costs) > 1 else 1
    lines = -(-len(each.costs) // columns)
    figure = _figure(9.2, 1.0 + 2.7 * lines + 0.19 * -(-len(each.groups) // 2), each)
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True)
    floor = floor_of(each)
    for axis, cost in zip(panels.flat, each.costs, strict=False):
        front = sorted(
            (summary.means[cost.key].mean, summary.means[each.score.key].mean)
            for summary in each.groups
            if cost.key in summary.on_front
        )
        axis.plot(*zip(*front, strict=True), color="0.35", linewidth=1, linestyle="-", zorder=1)
        for summary in each.groups:
            if not {cost.key, each.score.key} <= summary.means.keys():
                continue
            spent, reached = summary.means[cost.key], summary.means[each.score.key]
            if floor is None or reached.mean >= floor:
                _point(axis, spent, reached, style[summary.group.label])
            else:
                _below(axis, spent, style[summary.group.label])
        axis.set_xlabel(_named(cost, each))
        _format(axis.xaxis, cost)
        _plain(axis)
    for axis in panels[:, 0]:
        axis.set_ylabel(each.score.title)
        _format(axis.yaxis, each.score)
    if floor is not None:
        panels[0, 0].set_ylim(bottom=floor)
    for axis in list(panels.flat)[len(each.costs) :]:
        axis.set_visible(False)
    handles = [_handle(style[summary.group.label], _with_score(each, summary, floor)) for summary in each.groups]
    handles.append(Line2D([], [], color="0.35", linewidth=1, label="Pareto front"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def paired_differences(each: FamilyComparison) -> Figure:
    """Differences with their intervals, one panel for each thing that is compared with."""
    tables = [table for table in each.tables if table.rows]
    heights = [len(table.rows) * (1.6 if table.kind == "strongest" else 1) + 1.2 for table in tables]
    figure = _figure(8.2, 0.6 + _ROW * sum(heights), each)
    panels = figure.subplots(len(tables), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    style = styles(each.groups)
    for axis, table in zip(panels, tables, strict=True):
        _forest(axis, table, each, style)
    return figure


def learning_curves(each: FamilyComparison) -> Figure:
    """Mean score at the end of epochs against the work until then, a panel for each policy and dense in all of them."""
    curves = {label: found for label, found in each.reach.curves.items() if found}
    groups = [summary.group for summary in each.groups if summary.group.label in curves]
    names = list(dict.fromkeys(group.name for group in groups if group.label != each.baseline)) or [""]
    figure = _figure(9.2, 0.7 + 3.4 * -(-len(names) // 2), each)
    panels = figure.subplots(-(-len(names) // 2), min(2, len(names)), squeeze=False, sharex=True, sharey=True)
    style = styles(each.groups)
    for axis, name in zip(panels.flat, names, strict=False):
        for group in groups:
            if group.name == name or group.label == each.baseline:
                runs = list(curves[group.label].values())
                length = min(map(len, runs))
                work = np.mean([[point.backward_macs for point in points[:length]] for points in runs], axis=0)
                score = np.mean([[point.score for point in points[:length]] for points in runs], axis=0)
                drawn = style[group.label]
                axis.plot(
                    work, score, label=group.label, color=drawn.colour, linestyle=drawn.line, linewidth=1.3,
                    marker=drawn.marker, markersize=5, markevery=max(1, length // 6),
                    markerfacecolor="white" if drawn.hollow else drawn.colour,
                )  # fmt: skip
        if each.reach.threshold is not None:
            axis.axhline(each.reach.threshold, color="0.5", linewidth=0.8, linestyle=(0, (1, 1)))
        _format(axis.yaxis, each.score)
        axis.xaxis.set_major_formatter(EngFormatter())
        _plain(axis)
        axis.legend(frameon=False, fontsize=7, loc="best")
    for axis in panels[-1]:
        axis.set_xlabel("backward MACs so far")
    for axis in panels[:, 0]:
        axis.set_ylabel(f"{each.reach.split} {each.score.title}")
    for axis in list(panels.flat)[len(names) :]:
        axis.set_visible(False)
    return figure


def work_to_reach(each: FamilyComparison) -> Figure:
    """Work until the score was reached, backward and whole steps, as hatched bars; who did not reach it is named."""
    rows = list(each.reach.rows)
    figure = _figure(9.2, 1.0 + _ROW * 1.1 * len(rows), each)
    panels = figure.subplots(1, 2, sharey=True)
    style = styles(each.groups)
    for axis, quantity, title in zip(panels, ("backward_macs", "step_macs"), ("backward", "step"), strict=True):
        for place, row in enumerate(rows):
            _bar(axis, place, row, getattr(row, quantity), style[row.label])
        axis.set_xlabel(f"{title} MACs until {each.reach.split} {each.score.title} {_threshold(each)}")
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(EngFormatter())
        axis.xaxis.set_major_locator(MaxNLocator(5))
        _plain(axis)
    panels[0].set_yticks(range(len(rows)), [row.label for row in rows], fontsize=8)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    for axis in panels:
        axis.grid(visible=False, axis="y")
    return figure


def _forest(axis: Axes, table: PairedTable, each: FamilyComparison, style: dict[str, Style]) -> None:
    scale = 100 if each.score.kind == "share" else 1
    means = [row.difference.mean for row in table.rows if row.difference.mean is not None]
    off = -_OFF if scale == 100 and any(mean >= -_OFF for mean in means) else None
    for place, row in enumerate(table.rows):
        found, drawn = row.difference, style[row.label]
        if found.mean is None:
            continue
        if off is not None and found.mean < off:
            axis.annotate(
                f"◄ {scale * found.mean:+.1f}".replace("-", "−"),
                (0.01, place),
                xycoords=axis.get_yaxis_transform(),
                va="center",
                fontsize=8,
            )
            continue
        reach = None
        if found.low is not None and found.high is not None:
            reach = [[scale * (found.mean - found.low)], [scale * (found.high - found.mean)]]
        axis.errorbar(
            [scale * found.mean], [place], xerr=reach, fmt=drawn.marker, color=drawn.colour, markersize=7, capsize=3,
            markerfacecolor="white" if drawn.hollow else drawn.colour,
        )  # fmt: skip
    names = [row.label for row in table.rows]
    if table.kind == "strongest":
        names = [f"{row.label}\n{fill(f'against {row.reference}', 44)}" for row in table.rows]
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.axvline(0, color="0", linewidth=0.8)
    axis.set_title(f"{each.score.title} {table.title}", fontsize=9, loc="right")
    axis.set_xlabel("difference" + (" in points" if scale == 100 else ""), fontsize=8)
    _plain(axis)


def _with_score(each: FamilyComparison, summary: GroupSummary, floor: float | None) -> str:
    mean = summary.means.get(each.score.key)
    below = mean is not None and floor is not None and mean.mean < floor
    return f"{summary.group.label} (below: {mean_text(each.score, mean)})" if below else summary.group.label


def _bar(axis: Axes, place: int, row: ReachRow, mean: Mean | None, style: Style) -> None:
    if mean is None:
        axis.text(0, place, f" {row.reached} of {row.runs} reached it", va="center", fontsize=7, color="0.25")
        return
    axis.barh([place], [mean.mean], height=0.62, color="0.92", edgecolor="0.2", hatch=style.hatch, linewidth=0.8)
    half = mean.half_width
    if half:
        axis.errorbar([mean.mean], [place], xerr=[[min(half, mean.mean)], [half]], color="0", capsize=3, linewidth=1)
    if row.reached < row.runs:
        axis.text(
            mean.mean / 2, place, f"{row.reached} of {row.runs}", va="center", ha="center", fontsize=7,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip


def _point(axis: Axes, cost: Mean, score: Mean, style: Style) -> None:
    axis.errorbar(
        [cost.mean], [score.mean], xerr=cost.half_width, yerr=score.half_width, fmt=style.marker, color=style.colour,
        markerfacecolor="white" if style.hollow else style.colour, markeredgecolor="0.1", markeredgewidth=0.8,
        markersize=7, capsize=2, linewidth=0.9, zorder=3,
    )  # fmt: skip


def _below(axis: Axes, cost: Mean, style: Style) -> None:
    """A configuration whose score lies under the panel: its marker at the edge, with an arrow down."""
    axis.plot(
        [cost.mean], [0.06], transform=axis.get_xaxis_transform(), linestyle="none", marker=style.marker, markersize=7,
        color=style.colour, markerfacecolor="white" if style.hollow else style.colour, markeredgecolor="0.1",
    )  # fmt: skip
    axis.annotate(
        "", (cost.mean, 0.0), (cost.mean, 0.06), xycoords=axis.get_xaxis_transform(),
        arrowprops={"arrowstyle": "-|>", "color": "0.1", "linewidth": 0.9, "shrinkA": 4, "shrinkB": 0},
    )  # fmt: skip


def _handle(style: Style, label: str) -> Line2D:
    return Line2D(
        [], [], linestyle="none", marker=style.marker, markersize=7, markeredgecolor="0.1", markeredgewidth=0.8,
        markerfacecolor="white" if style.hollow else style.colour, label=label,
    )  # fmt: skip


def _figure(width: float, height: float, each: FamilyComparison) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(each.family.label, fontsize=10)
    return figure


def _named(quantity: Quantity, each: FamilyComparison) -> str:
    if quantity.kind == "ratio":
        return f"{quantity.title} against dense"
    return f"{quantity.title} on {each.target_name}, modelled"


def _threshold(each: FamilyComparison) -> str:
    value = each.reach.threshold or 0.0
    return f"{100 * value:.1f} %" if each.score.kind == "share" else f"{value:.4g}"


def _format(axis: Any, quantity: Quantity) -> None:
    if quantity.kind in ("share", "ratio"):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))
    elif quantity.kind == "energy":
        axis.set_major_formatter(FuncFormatter(lambda value, _: EngFormatter(unit="J")(value * 1e-6)))
    elif quantity.kind == "cycles":
        axis.set_major_formatter(EngFormatter())
    axis.set_major_locator(MaxNLocator(6))


def _plain(axis: Axes) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.grid(visible=True, linewidth=0.4, color="0.85")
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8)
