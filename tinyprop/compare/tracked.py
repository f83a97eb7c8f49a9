"""Runs as MLflow has recorded them.

Their files are read where they can be reached: they are those of the run directory, to the last digit. Where they
cannot, the parameters and metrics say the same, but for notes on the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from tinyprop.compare.directories import read_rows
from tinyprop.compare.run import Run
from tinyprop.errors import TinypropError
from tinyprop.progress import SILENT, Progress
from tinyprop.tracking.reading import RecordedRun, Records

_STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running"}
_AT_ONCE = 8
"""Runs whose files are fetched side by side: a server answers slowly, not rarely."""
_MACS = tuple(f"macs.{phase}.kept" for phase in ("forward", "weight_gradient", "input_gradient", "update"))


def read_tracked(records: Records, runs: Iterable[RecordedRun], progress: Progress = SILENT) -> list[Run]:
    """Runs of an MLflow store, for a comparison."""
    recorded = list(runs)
    found = []
    with (
        progress.task("Reading runs from MLflow", len(recorded), "runs") as advance,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        for run in pool.map(lambda each: _read(records, each), recorded):
            found.append(run)
            advance(1)
    return found


def _read(records: Records, recorded: RecordedRun) -> Run:
    status = _STATUS.get(recorded.status, "running")
    place = f"mlflow:{recorded.run_id}"
    if status == "running":
        return Run(recorded.name, place, status, "is running still", _config(recorded), {"run_id": recorded.run_id})
    try:
        config = yaml.safe_load(records.text(recorded, "config.yaml"))
        result = json.loads(records.text(recorded, "result.json"))
        rows = read_rows(records.text(recorded, "metrics.csv")) if status == "finished" else []
    except (TinypropError, ValueError, yaml.YAMLError) as error:
        return _without_files(records, recorded, status, place, str(error))
    result["run_id"] = recorded.run_id
    return Run(recorded.name, place, status, result.get("error"), config, result, rows, recorded=recorded.started / 1e3)


def _without_files(records: Records, recorded: RecordedRun, status: str, place: str, trouble: str) -> Run:
    result, config = _result(recorded), _config(recorded)
    if status != "finished":
        return Run(recorded.name, place, status, None, config, result)
    remark = f"Numbers from MLflow's metrics: {trouble}."
    rows = _rows(records, recorded, tested=recorded.params.get("trainer.test_every_epoch") == "true")
    return Run(recorded.name, place, status, None, config, result, rows, recorded=recorded.started / 1e3, remark=remark)


def _config(recorded: RecordedRun) -> dict[str, Any]:
    """The configuration that the flattened parameters came from."""
    tree: dict[str, Any] = {}
    for path, text in recorded.params.items():
        *parents, leaf = path.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[leaf] = _value(text)
    return tree


def _result(recorded: RecordedRun) -> dict[str, Any]:
    metrics, tags = recorded.metrics, recorded.tags
    costs: dict[str, dict[str, Any]] = {}
    for name, value in metrics.items():
        if name.startswith("cost."):
            _, target, key = name.split(".", 2)
            costs.setdefault(target, {"target": target})[key] = value
    return {
        "run_id": recorded.run_id,
        "dataset": tags.get("tinyprop.dataset"),
        "dataset_fingerprint": tags.get("tinyprop.dataset_fingerprint"),
        "synthetic": tags.get("tinyprop.synthetic") == "true",
        "metrics": {
            name: value for name, value in metrics.items() if name.startswith(("test_", "validation_", "initial_test_"))
        },
        "macs": {name: metrics.get(name) for name in ("backward_ratio", "step_ratio")},
        "wall_seconds": metrics.get("wall_seconds"),
        "cost": costs,
    }


def _rows(records: Records, recorded: RecordedRun, *, tested: bool) -> list[dict[str, float]]:
    """The rows of ``metrics.csv`` as far as a comparison needs them, from the metrics' histories."""
    splits = ("validation_", *(["test_"] if tested else []))
    wanted = [name for name in recorded.metrics if name.startswith(splits) or name in _MACS]
    rows: dict[int, dict[str, float]] = {}
    for name in wanted:
        for step, value in records.history(recorded, name).items():
            if step > 0:
                rows.setdefault(step, {"epoch": float(step)})[name] = value
    return [rows[step] for step in sorted(rows)]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
