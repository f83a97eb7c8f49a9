"""What one run came to, as one table that fits 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyprop.report.microcontroller import microcontroller_rows
from tinyprop.report.modelled import modelled_rows
from tinyprop.report.quantities import scaled

SHARES = ("test_accuracy", "test_balanced_accuracy", "validation_accuracy", "initial_test_accuracy")
"""Metrics that are shares of 1 and shown in per cent."""
_METRICS = {
    "test_accuracy": "test accuracy",
    "initial_test_accuracy": "  before training",
    "test_auc": "test AUC",
    "test_pauc": "test pAUC",
    "initial_test_auc": "  AUC before training",
    "test_loss": "test loss",
    "validation_accuracy": "validation accuracy",
    "validation_loss": "validation loss",
}
_WORK = (
    ("backward_ratio", "backward work", ("weight_gradient", "input_gradient")),
    ("step_ratio", "whole-step work", ("forward", "update")),
)
MACS_NOTE = "Counts of multiply-accumulates, not wall time."


def run_summary(result: Mapping[str, Any]) -> RenderableType:
    """The closing table of a run.

    Args:
        result: the content of ``result.json``; what it lacks is left out.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    on_boards = (microcontroller_rows(result.get("mcu")), modelled_rows(result.get("cost")))
    for section in (_outcome(result), _layers(result), _work(result), *on_boards):
        for name, value in section:
            table.add_row(Text(name), Text(value))
        if table.row_count:
            table.add_section()
    parts: list[RenderableType] = [Text(headline(result), style="bold"), table]
    notes = [*(result.get("notes") or ()), *(result.get("cost_notes") or ())]
    parts.extend(Text(f"Note: {note}") for note in notes)
    parts.extend(Text(line) for line in _places(result))
    return Group(*parts)


def headline(result: Mapping[str, Any]) -> str:
    """One line that says what was run: ``mnist (SYNTHETIC data) · mlp_mnist · static · seed 0``."""
    dataset = str(result.get("dataset", "?")) + (" (SYNTHETIC data)" if result.get("synthetic") else "")
    parts = [dataset, str(result.get("model", "?")), str(result.get("policy", "?"))]
    if result.get("seed") is not None:
        parts.append(f"seed {result['seed']}")
    status = str(result.get("status", ""))
    return " · ".join(parts) + ("" if status.upper() in ("", "FINISHED") else f" · {status.upper()}")


def metric_text(name: str, value: float) -> str:
    """A metric as text: accuracies in per cent, other numbers with four decimals."""
    if name in SHARES or name.endswith("accuracy"):
        return percent(value)
    return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share of 1 in per cent, never rounded to none or to all of it: ``12.3 %``, ``0.04 %``, ``99.96 %``."""
    digits = 1 if 0.0005 <= abs(share) < 0.9995 or share in (0.0, 1.0) or abs(share) > 1 else 2
    return f"{100 * share:.{digits}f} %"


def against_dense(ratio: float) -> str:
    """Work as a share of the dense work, and how many times less that is: ``21.4 % of dense, 4.7× fewer``."""
    if ratio <= 0:
        return f"{percent(ratio)} of dense"
    if ratio > 0.995:
        return f"{percent(ratio)} of dense" + (f", {ratio:.2f}× as much" if ratio > 1.005 else "")
    return f"{percent(ratio)} of dense, {1 / ratio:.{2 if ratio > 0.1 else 1}f}× fewer"


def _outcome(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metrics = result.get("metrics") or {}
    for name in [
        *(known for known in _METRICS if known in metrics),
        *(name for name in metrics if name not in _METRICS),
    ]:
        if metrics[name] is not None:
            yield _METRICS.get(name, name.replace("_", " ")), metric_text(name, float(metrics[name]))
    if result.get("epochs") is not None:
        yield "epochs", f"{result['epochs']}{_took(result.get('wall_seconds'))}"


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f" in {seconds:.1f} s" if seconds >= 1 else f" in {1e3 * seconds:.0f} ms"


def _layers(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The kept fraction of each layer, from ``layers`` where it says more, else from ``kept_fraction``."""
    layers: Sequence[Mapping[str, Any]] = result.get("layers") or [
        {"name": name, "kept_fraction": kept} for name, kept in (result.get("kept_fraction") or {}).items()
    ]
    for layer in layers:
        text = f"{percent(layer['kept_fraction']):>7}"
        if layer.get("n") is not None:
            text += f" of {layer['n']} gradients"
        if layer.get("ratio") is not None:
            text += f", ratio {layer['ratio']:.3f}"
        yield f"kept in {layer['name']}", text


def _work(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    macs = result.get("macs") or {}
    for ratio, name, phases in _WORK:
        if macs.get(ratio) is not None:
            yield name, against_dense(macs[ratio])
        for phase in phases:
            counts = macs.get(phase)
            if counts and counts["dense"]:
                label = f"  {phase.replace('_', ' ')}"
                yield label, f"{scaled(counts['kept'])} of {scaled(counts['dense'])}"
    if macs:
        yield "", MACS_NOTE


def _places(result: Mapping[str, Any]) -> Iterator[str]:
    if result.get("reused"):
        yield "Trained earlier with this configuration and data; trainer.force=true trains again."
    if result.get("run_dir"):
        yield f"Files: {result['run_dir']}"
    if result.get("run_id"):
        yield "Compare runs: tinyprop ui"
