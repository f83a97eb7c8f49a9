"""A multirun: its parent in MLflow, its runs wherever Hydra's launcher puts them, and the account of how each ended."""

from __future__ import annotations

import json
import logging
import os
import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyprop.cli import INTERRUPTED, jobs
from tinyprop.config.composition import Request
from tinyprop.config.hydra_job import hand_over
from tinyprop.errors import TinypropError
from tinyprop.progress import Progress
from tinyprop.tracking import ParentRun, open_store
from tinyprop.training.run import conclude_lost

_logger = logging.getLogger(__name__)

_POLL = 0.3
"""Seconds between two looks at which runs have ended."""


@dataclass(frozen=True)
class Multirun:
    """How a multirun ended.

    Attributes:
        rows: one for each run, for the closing table.
        results: each run's ``result.json``, with its overrides, status and reason.
        metric: what the rows' ``accuracy`` is.
    """

    status: str
    exit_status: int
    parent_run_id: str | None
    rows: list[dict[str, Any]]
    results: list[dict[str, Any]]
    metric: str


def run_multirun(request: Request, hydra_arguments: list[str], progress: Progress) -> Multirun:
    """Train every run of a request and give account of all of them, also after a failure or Ctrl-C."""
    base = request.base
    store = open_store(base.tracking, Path(base.runs_dir), progress)
    sweep_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    directory = jobs.sweep_directory(base.runs_dir, sweep_id).absolute()
    directory.mkdir(parents=True)
    command = shlex.join(["tinyprop", "train", *hydra_arguments])
    parent = store.start_parent(f"sweep {sweep_id}", {"tinyprop.command": command, "tinyprop.sweep": sweep_id})
    own = [f"sweep.id='{sweep_id}'", f"sweep.parent_run_id={parent.run_id or 'null'}"]
    interrupted, trouble = False, None
    with jobs.reporting_to(progress), _watched(directory, len(request.jobs), progress):
        try:
            hand_over([*hydra_arguments, *own], jobs.hydra_job)
        except KeyboardInterrupt:
            interrupted = True
        except SystemExit as ended:  # Hydra's way of saying that a launcher or a worker process broke
            trouble = f"the launcher ended with status {ended.code}; its message is above"
    found = _words(directory)
    for word in found.values():
        if word["status"] == "running":
            _conclude(word, interrupted=interrupted)
    if parent.run_id is not None:
        try:
            store.end_children(parent.run_id, "KILLED" if interrupted else "FAILED")
        except TinypropError as error:
            trouble = str(error)
    return _account(request, found, parent, interrupted=interrupted, trouble=trouble)


def _account(
    request: Request, found: dict[str, dict[str, Any]], parent: ParentRun, *, interrupted: bool, trouble: str | None
) -> Multirun:
    expected = {job.config.run_name: list(job.overrides) for job in request.jobs} or {name: [name] for name in found}
    lost = "interrupted before it began" if interrupted else trouble or "it was not begun"
    rows, results = [], []
    for name, overrides in expected.items():
        ended = found.get(name, {"status": "missing", "reason": lost, "result": {}})
        rows.append(_row(overrides, ended))
        results.append({**ended["result"], "name": name, "overrides": overrides} | _ending(ended))
    accuracy = any("test_accuracy" in _metrics(result) for result in results)
    metric = "test_auc" if not accuracy and any("test_auc" in _metrics(r) for r in results) else "test_accuracy"
    for row, result in zip(rows, results, strict=True):
        row["accuracy"] = _metrics(result).get(metric)
    complete = all(row["status"] in ("done", "reused") for row in rows)
    status = "killed" if interrupted else "finished" if complete and trouble is None else "failed"
    try:
        _close(parent, rows, results, metric, status)
    except TinypropError as error:  # what was trained is told all the same
        status = "failed" if status == "finished" else status
        _logger.warning("%s", error)
    exit_status = INTERRUPTED if interrupted else 0 if status == "finished" else 1
    return Multirun(status, exit_status, parent.run_id, rows, results, metric)


def _words(directory: Path) -> dict[str, dict[str, Any]]:
    """Where each run stands that has left word, by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("[!.]*.json"))}


def _conclude(ended: dict[str, Any], *, interrupted: bool) -> None:
    """Complete the word of a run whose worker process was killed: launchers do that when they are interrupted."""
    reason = "interrupted" if interrupted else "its process ended without a word"
    ended |= {"status": "killed" if interrupted else "failed", "reason": reason}
    ended["result"] = conclude_lost(Path(ended["run_dir"]), ended["status"], reason) or {}


def _row(overrides: list[str], ended: dict[str, Any]) -> dict[str, Any]:
    result = ended["result"]
    macs, mcu = result.get("macs", {}), result.get("mcu") or {}
    return {
        "overrides": overrides,
        **_ending(ended),
        "instructions": mcu.get("instructions.step"),
        "fits": mcu.get("ram.fits") and mcu.get("flash.fits"),
        "backward_ratio": macs.get("backward_ratio"),
        "step_ratio": macs.get("step_ratio"),
        "seconds": result.get("wall_seconds"),
        "run_id": result.get("run_id"),
    }


def _ending(ended: dict[str, Any]) -> dict[str, Any]:
    return {"status": ended["status"], "reason": ended["reason"]}


def _metrics(result: dict[str, Any]) -> dict[str, float]:
    return result.get("metrics", {})  # type: ignore[no-any-return]


def _close(
    parent: ParentRun, rows: list[dict[str, Any]], results: list[dict[str, Any]], metric: str, status: str
) -> None:
    """Put summary, best child and status on the parent; a store that is gone does not hide what was trained."""
    judge = _judge(results, metric)
    best = _best(results, judge)
    if best is not None:
        parent.set_tags({"tinyprop.best_by": judge})
    try:
        parent.summarise(
            [{**row, "overrides": " ".join(row["overrides"])} for row in rows],
            best_run_id=best["run_id"] if best else None,
            best_metrics=_metrics(best) if best else None,
        )
    finally:
        parent.finish({"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}[status])  # type: ignore[arg-type]


def _best(results: list[dict[str, Any]], judge: str) -> dict[str, Any] | None:
    scored = [result for result in results if result["status"] in ("done", "reused") and judge in _metrics(result)]
    sign = -1 if judge.endswith("loss") else 1
    return max(scored, key=lambda result: sign * _metrics(result)[judge], default=None)


def _judge(results: list[dict[str, Any]], metric: str) -> str:
    """What tells the best run: its validation data, so that the test set selects nothing, unless none has any."""
    known = {name for result in results for name in _metrics(result)}
    candidates = (metric.replace("test_", "validation_"), "validation_loss", metric)
    return next((name for name in candidates if name in known), metric)


@contextmanager
def _watched(directory: Path, total: int, progress: Progress) -> Iterator[None]:
    """Show how many runs have ended, in whatever process they do, until the block ends."""
    over = threading.Event()

    def watch() -> None:
        seen = 0
        with progress.task("Runs", total or None, "runs") as advance:
            last = False
            while not last:
                last = over.wait(_POLL)
                ended = sum(word["status"] != "running" for word in _words(directory).values())
                advance(ended - seen)
                seen = ended

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
