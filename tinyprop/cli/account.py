"""The account of a multirun: how each run ended, what all gave, and what of it stands with the parent in MLflow."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyprop.cli import INTERRUPTED, jobs
from tinyprop.compare import Comparison
from tinyprop.errors import DataError, TinypropError
from tinyprop.report.sweep_note import sweep_note
from tinyprop.sweeps.ledger import Word
from tinyprop.tracking import ParentRun, Status
from tinyprop.training import result
from tinyprop.training.result import Result

_logger = logging.getLogger(__name__)

_STATUS: dict[str, Status] = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


@dataclass(frozen=True)
class Outcome:
    """How one run ended.

    Attributes:
        status: of its `Word`, or ``missing``.
        result: what ``result.json`` holds of this run.
    """

    name: str
    overrides: list[str]
    status: str
    reason: str | None
    result: Result

    @property
    def metrics(self) -> dict[str, float]:
        return self.result.get("metrics", {})  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Account:
    """How a multirun ended.

    Attributes:
        metric: what tells accuracy: ``test_accuracy``, or ``test_auc`` where no run has that.
        sweep: the multirun's name, by which its comparison is asked for.
        comparison: of its runs, where they can be compared.
        report: the page that shows it.
    """

    status: str
    parent_run_id: str | None
    outcomes: list[Outcome]
    metric: str
    sweep: str = ""
    comparison: Comparison | None = None
    report: Path | None = None

    @property
    def exit_status(self) -> int:
        return {"killed": INTERRUPTED, "finished": 0, "failed": 1}[self.status]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One for each run, for the closing table."""
        return [_row(ended, self.metric) for ended in self.outcomes]

    @property
    def results(self) -> list[dict[str, Any]]:
        """Each run's result, with its overrides, status and reason."""
        return [
            {
                **ended.result,
                "name": ended.name,
                "overrides": ended.overrides,
                "status": ended.status,
                "reason": ended.reason,
            }
            for ended in self.outcomes
        ]


def outcome(
    name: str,
    overrides: list[str],
    word: Word | None,
    finished: Result | None,
    config_hash: str | None,
    *,
    missing: str,
) -> Outcome:
    """How a run ended.

    Args:
        word: what it left; None: nothing.
        finished: its result, where that is known already.
        config_hash: None where the run was not known beforehand.
        missing: the reason of a run that left no word.
    """
    if word is None:
        return Outcome(name, overrides, "missing", missing, {})
    if word.succeeded:
        try:
            known = finished or result.read(Path(word.run_dir)) or {}
        except DataError as error:
            return Outcome(name, overrides, "failed", str(error), {})
        extra = {"reused": True} if word.status == "reused" else {}
        return Outcome(name, overrides, word.status, word.reason, {**known, **extra})
    left = jobs.left_by(config_hash, Path(word.run_dir)) if config_hash is not None else {}
    return Outcome(name, overrides, word.status, word.reason, left)


def account(outcomes: Sequence[Outcome], parent_run_id: str | None, *, interrupted: bool, complete: bool) -> Account:
    """The account of all runs; ``complete`` is False where something besides a run has gone wrong."""
    accuracy = any("test_accuracy" in ended.metrics for ended in outcomes)
    metric = "test_auc" if not accuracy and any("test_auc" in e.metrics for e in outcomes) else "test_accuracy"
    good = complete and all(ended.status in ("done", "reused", "pruned") for ended in outcomes)
    status = "killed" if interrupted else "finished" if good else "failed"
    return Account(status, parent_run_id, list(outcomes), metric)


def close(parent: ParentRun, ended: Account, command: str) -> Account:
    """Put summary, best child, description and status on the parent; a store that is gone does not hide what was
    trained.
    """
    try:
        _close(parent, ended, command)
    except TinypropError as error:
        _logger.warning("%s", error)
        return replace(ended, status="failed" if ended.status == "finished" else ended.status)
    return ended


def _close(parent: ParentRun, ended: Account, command: str) -> None:
    judge = _judge(ended)
    best = _best(ended.outcomes, judge)
    rows = [{**row, "overrides": " ".join(row["overrides"])} for row in ended.rows]
    try:
        if best is not None:
            parent.set_tags({"tinyprop.best_by": judge})
        parent.summarise(
            rows,
            best_run_id=best.result["run_id"] if best else None,
            best_metrics=best.metrics if best else None,
        )
        parent.set_tags({"mlflow.note.content": sweep_note(command, rows, ended.metric, ended.comparison)})
    finally:
        parent.finish(_STATUS[ended.status])


def _row(ended: Outcome, metric: str) -> dict[str, Any]:
    macs, mcu = ended.result.get("macs", {}), ended.result.get("mcu") or {}
    return {
        "overrides": ended.overrides,
        "status": ended.status,
        "reason": ended.reason,
        "accuracy": ended.metrics.get(metric),
        "instructions": mcu.get("instructions.step"),
        "fits": mcu.get("ram.fits") and mcu.get("flash.fits"),
        "backward_ratio": macs.get("backward_ratio"),
        "step_ratio": macs.get("step_ratio"),
        "seconds": ended.result.get("wall_seconds"),
        "run_id": ended.result.get("run_id"),
    }


def _best(outcomes: Sequence[Outcome], judge: str) -> Outcome | None:
    scored = [ended for ended in outcomes if ended.status in ("done", "reused") and judge in ended.metrics]
    sign = -1 if judge.endswith("loss") else 1
    return max(scored, key=lambda ended: sign * ended.metrics[judge], default=None)


def _judge(ended: Account) -> str:
    """What tells the best run: its validation data, so that the test set selects nothing, unless none has any."""
    known = {name for one in ended.outcomes for name in one.metrics}
    candidates = (ended.metric.replace("test_", "validation_"), "validation_loss", ended.metric)
    return next((name for name in candidates if name in known), ended.metric)
