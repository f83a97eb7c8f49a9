"""Figures of one run, made without pyplot's global state and legible in black and white."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

Rows = Sequence[Mapping[str, Any]]

_SPLITS = ("train", "validation", "test")
_STYLES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "x", "P", "*")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
"""Okabe and Ito's palette, which the colour-blind tell apart."""
_MARKS_A_LINE = 10


def training_curves(rows: Rows, title: str = "") -> Figure:
    """Loss and, where it was measured, accuracy (or AUC) over the epochs, one line for each split.

    Args:
        rows: the rows of ``metrics.csv`` as mappings; text is converted, an empty value leaves a gap.
        title: shown above; say there what was trained, and that data is synthetic if it is.
    """
    shares = [name for name in ("accuracy", "auc") if any(_has(rows, f"{split}_{name}") for split in _SPLITS)]
    figure, axes = figure_of(1 + len(shares), title)
    for axis, name in zip(axes, ["loss", *shares], strict=True):
        for index, split in enumerate(_SPLITS):
            _line(axis, rows, f"{split}_{name}", split, index)
        axis.set_ylabel("AUC" if name == "auc" else name)
        if name == "accuracy":
            axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))
        _finish(axis)
    return figure


def ratio_per_layer(rows: Rows, title: str = "") -> Figure:
    """The mean backpropagation ratio and the kept fraction of every layer over the epochs.

    Args:
        rows: the rows of ``metrics.csv`` with columns ``ratio.<layer>`` and ``kept_fraction.<layer>``.
        title: shown above.
    """
    figure, axes = figure_of(2, title)
    for axis, quantity in zip(axes, ("ratio", "kept_fraction"), strict=True):
        layers = [column.removeprefix(f"{quantity}.") for column in _columns(rows) if column.startswith(f"{quantity}.")]
        for index, layer in enumerate(layers):
            _line(axis, rows, f"{quantity}.{layer}", layer, index)
        axis.set_ylabel(quantity.replace("_", " "))
        axis.set_ylim(-0.02, 1.04)
        _finish(axis)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` in the format that the suffix of ``path`` names (.svg, .png, .pdf); whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished-{os.getpid()}")
    kind = path.suffix.removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else {}
    try:
        with rc_context({"svg.hashsalt": "tinyprop"}):  # neither date nor random ids: equal runs give equal files
            figure.savefig(unfinished, format=kind, dpi=150, metadata=metadata)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def figure_of(panels: int, title: str, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """An empty figure of so many panels beside each other; the height is in inches."""
    figure = Figure(figsize=(4.8 * panels, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    if title:
        figure.suptitle(title, fontsize=10)
    return figure, list(axes)


def _line(axis: Axes, rows: Rows, column: str, label: str, index: int) -> None:
    if not _has(rows, column):
        return
    epochs = [_number(row.get("epoch")) for row in rows]
    axis.plot(
        epochs,
        [_number(row.get(column)) for row in rows],
        label=label,
        color=COLOURS[index % len(COLOURS)],
        linestyle=_STYLES[(index + index // len(_MARKERS)) % len(_STYLES)],
        marker=_MARKERS[index % len(_MARKERS)],
        markersize=4,
        markevery=max(1, len(epochs) // _MARKS_A_LINE),
        linewidth=1.4,
    )


def _finish(axis: Axes) -> None:
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(visible=True, linewidth=0.4, color="0.85")
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    if axis.lines:
        crowded = len(axis.lines) > 5
        axis.legend(frameon=False, fontsize=6 if crowded else 8, ncols=2 if crowded else 1)
    else:
        axis.text(0.5, 0.5, "not recorded", transform=axis.transAxes, ha="center", va="center", color="0.4")


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _has(rows: Rows, column: str) -> bool:
    return any(row.get(column) not in (None, "") for row in rows)


def _number(value: object) -> float:
    return float("nan") if value in (None, "") else float(str(value))
