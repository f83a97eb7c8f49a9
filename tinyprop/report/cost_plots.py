"""Figures of modelled cycles, legible in black and white: where they go, and what keeping less saves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from tinyprop.cost import PHASES, Cost, Prediction, predict
from tinyprop.estimate.estimate import Estimate
from tinyprop.report.plots import COLOURS, figure_of

_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "++")
_FILLS = ("0.9", "0.65", "0.8", "0.5", "1.0", "0.75")
_SMALL = 0.01
_RATIOS = tuple(np.geomspace(0.01, 1, 24))


def cost_by_layer(cost: Estimate) -> Figure:
    """Modelled cycles of one step by layer, in phases; of each layer dense above, as it was trained below.

    Layers that take less than a hundredth of the dense step are one bar, ``others``.
    """
    dense, _ = cost.baselines["dense"]
    layers = [name for name in dense.by_layer() if _of_layer(dense, name) >= _SMALL * dense.cycles]
    figure, (axis,) = figure_of(1, f"Modelled cycles of a step on {cost.target.name}", height=2.2 + 0.42 * len(layers))
    for offset, prediction, edge in ((-0.2, dense, "0.55"), (0.2, cost.prediction, "0")):
        _stack(axis, prediction, layers, offset, edge, label=prediction is dense)
    axis.set_yticks(range(len(layers) + 1), [*layers, "others"], fontsize=8)
    axis.invert_yaxis()
    widest = max(bar.get_x() + bar.get_width() for bars in axis.containers for bar in bars)
    axis.set_xlim(0, 1.04 * widest)
    axis.set_xlabel(f"cycles; of each layer dense above, {cost.step.policy.name} below")
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(EngFormatter())
    _finish(axis)
    return figure


def cost_by_ratio(cost: Estimate) -> Figure:
    """Modelled cycles of one step against the kept fraction, with the dense steps and what selection cannot go below.

    A policy that keeps everything is drawn as nothing but these.
    """
    figure, (axis,) = figure_of(1, f"Modelled cycles of a step on {cost.target.name}", height=3.9)
    dense, _ = cost.baselines["dense"]
    skipping, _ = cost.baselines["dense_skipping_zeros"]
    if cost.step.policy.name not in ("dense", "meprop"):
        steps = [predict(cost.step.keeping(float(ratio)), cost.target) for ratio in _RATIOS]
        axis.plot(_RATIOS, [step.cycles for step in steps], color=COLOURS[0], marker="o", markersize=3, label="sparse")
        backward = [step.cycles_of(step.over(PHASES[1:4])) for step in steps]
        axis.plot(_RATIOS, backward, color=COLOURS[1], marker="s", markersize=3, label="of it backward")
    for value, style, name in (
        (dense.cycles, "-", "dense"),
        (skipping.cycles, "--", "dense, skipping zeros"),
        (dense.cycles / cost.bound.by_cycles_with_update, ":", f"bound: {cost.bound.by_cycles_with_update:.2f}×"),
    ):
        axis.axhline(value, color="0", linestyle=style, linewidth=1, label=name)
    axis.set_xscale("log")
    axis.set_xlim(_RATIOS[0] * 0.9, 1.1)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("kept fraction in every layer that selects")
    axis.set_ylabel("cycles")
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))
    axis.yaxis.set_major_formatter(EngFormatter())
    _finish(axis)
    return figure


def _stack(axis: Axes, prediction: Prediction, layers: list[str], offset: float, edge: str, *, label: bool) -> None:
    parts = prediction.by_layer()
    left = np.zeros(len(layers) + 1)
    for phase, hatch, fill in zip(PHASES, _HATCHES, _FILLS, strict=True):
        widths = [prediction.cycles_of(parts[layer].get(phase, Cost())) for layer in layers]
        widths.append(prediction.cycles_of(prediction.over((phase,))) - sum(widths))
        axis.barh(
            np.arange(len(widths)) + offset,
            widths,
            height=0.36,
            left=left,
            color=fill,
            hatch=hatch,
            edgecolor=edge,
            linewidth=0.7,
            label=phase.replace("_", " ") if label else None,
        )
        left += widths


def _of_layer(prediction: Prediction, layer: str) -> float:
    return sum(map(prediction.cycles_of, prediction.by_layer()[layer].values()))


def _finish(axis: Axes) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.grid(visible=True, linewidth=0.4, color="0.85")
    axis.set_axisbelow(True)
    axis.legend(frameon=False, fontsize=7, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
