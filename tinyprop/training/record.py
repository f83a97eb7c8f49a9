"""The files of a run directory apart from result and checkpoint: what was run, where, and how it went."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

from tinyprop.estimate.estimate import Estimate
from tinyprop.training.fit import Row

_ARTIFACTS = (
    "config.yaml",
    "command.txt",
    "environment.json",
    "metrics.csv",
    "curves.png",
    "ratio_per_layer.png",
    "cost_by_layer.png",
    "cost_by_ratio.png",
)


_LEFTOVERS = ("checkpoint.pt", "error.txt", *(name for name in _ARTIFACTS if name.endswith((".csv", ".png"))))
"""What a run that begins anew must not find of the one before it."""


def begin(run_dir: Path, config_yaml: str, command: str, environment: Mapping[str, object]) -> None:
    """Write down what is about to be run: ``config.yaml``, ``command.txt``, ``environment.json``."""
    for name in _LEFTOVERS:
        (run_dir / name).unlink(missing_ok=True)
    _replace(run_dir / "config.yaml", config_yaml)
    _replace(run_dir / "command.txt", command + "\n")
    _replace(run_dir / "environment.json", json.dumps(environment, indent=2) + "\n")


def write_metrics(run_dir: Path, history: list[Row]) -> None:
    """Write ``metrics.csv``, one row an epoch."""
    columns = list(dict.fromkeys(column for row in history for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    _replace(run_dir / "metrics.csv", text.getvalue())


def write_plots(run_dir: Path, history: list[Row], costs: Mapping[str, Estimate]) -> None:
    """Draw ``curves.png`` and ``ratio_per_layer.png``, and of the first of the costs, where there is one,
    ``cost_by_layer.png`` and ``cost_by_ratio.png``.
    """
    from tinyprop.report.cost_plots import cost_by_layer, cost_by_ratio
    from tinyprop.report.plots import ratio_per_layer, save, training_curves

    save(training_curves(history), run_dir / "curves.png")
    save(ratio_per_layer(history), run_dir / "ratio_per_layer.png")
    for cost in list(costs.values())[:1]:
        save(cost_by_layer(cost), run_dir / "cost_by_layer.png")
        save(cost_by_ratio(cost), run_dir / "cost_by_ratio.png")


def files(run_dir: Path) -> list[Path]:
    """The files that tracking keeps a copy of beside ``result.json``, as far as they are there."""
    return [run_dir / name for name in _ARTIFACTS if (run_dir / name).exists()]


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
