"""The figure of a reproduction: what each configuration loses against dense training, and what it works for that."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from tinyprop.compare.families import Group
from tinyprop.compare.statistics import mean_with_interval, paired_difference
from tinyprop.report.plots import COLOURS
from tinyprop.reproduction import Evidence

_KINDS = {
    "static": ("s", COLOURS[1]),
    "meprop": ("D", COLOURS[5]),
    "adaptive": ("o", COLOURS[0]),
    "adaptive_skip": ("^", COLOURS[2]),
    "budget": ("*", COLOURS[3]),
}
"""Marker and colour of each policy."""
_OTHERS = ("X", COLOURS[6])
_FLOOR = -12.0
"""Points under which all are drawn at the edge, so that those that matter can be told apart."""
_CLAIM = (20.0, -1.0)
"""Five times less work at one point."""


def losses_against_work(evidence: Sequence[Evidence]) -> Figure:
    """A panel a study: points of accuracy against dense training, seed by seed, over backward work.

    Filled markers have a dense output layer, hollow ones a sparse one. Five times less work at one point is shaded.
    """
    shown = [each for each in evidence if has_points(each)]
    rows = -(-len(shown) // 2)
    figure = Figure(figsize=(8, 0.7 + 2.5 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(rows, 2, squeeze=False).flat)
    for panel, each in zip(panels, shown, strict=False):
        _panel(panel, each)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    names = {group.name for each in shown for group in each.groups if group.name != "dense" and group.runs}
    handles: list[Line2D | Patch] = [
        Line2D([], [], marker=marker, color=colour, linestyle="", label=name)
        for name, (marker, colour) in _KINDS.items()
        if name in names
    ]
    handles.append(
        Line2D([], [], marker="o", color="black", markerfacecolor="none", linestyle="", label="output sparse")
    )
    handles.append(Patch(facecolor="0.88", label="claimed: 5×, 1 point"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def has_points(each: Evidence) -> bool:
    """Whether there is anything to draw of a study."""
    return each.dense is not None and any(group.name != "dense" and group.runs for group in each.groups)


def _panel(axes: Axes, each: Evidence) -> None:
    dense = each.dense
    assert dense is not None
    axes.set_xscale("log")
    axes.set_xlim(2, 110)
    axes.set_ylim(_FLOOR - 0.8, 3)
    axes.fill_between([2, _CLAIM[0]], _CLAIM[1], 3, color="0.88", linewidth=0)
    axes.axhline(0, color="0.5", linewidth=0.8)
    for group in each.groups:
        if group.name != "dense" and group.runs:
            _point(axes, each, group, dense)
    axes.set_title(f"{each.study.name}: {each.study.title}", fontsize=8, loc="left")
    axes.set_xticks([2, 5, 10, 20, 50, 100])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=8)
    axes.set_xlabel("backward work of dense", fontsize=8)
    axes.set_ylabel("accuracy, points", fontsize=8)


def _point(axes: Axes, each: Evidence, group: Group, dense: Group) -> None:
    shares = list(group.values(each.costs["backward_ratio"]).values())
    gained = paired_difference(group.values(each.score), dense.values(each.score))
    if not shares or gained.mean is None:
        return
    marker, colour = _KINDS.get(group.name, _OTHERS)
    work, value = 100 * mean_with_interval(shares).mean, 100 * gained.mean
    inside = value > _FLOOR
    ends = None
    if inside and gained.low is not None and gained.high is not None:
        ends = [[value - 100 * gained.low], [100 * gained.high - value]]
    axes.errorbar(
        [work],
        [max(value, _FLOOR)],
        yerr=ends,
        marker=marker if inside else "v",
        color=colour,
        markerfacecolor="none" if group.output == "sparse" else colour,
        markersize=6,
        elinewidth=0.9,
        capsize=2,
    )
    if not inside:
        axes.annotate(
            f"−{-value:.0f}", (work, _FLOOR), textcoords="offset points", xytext=(0, 6), ha="center", fontsize=6
        )
