"""What Hydra calls for each run, wherever its launcher does: the run itself, and word of how it ended.

A job never raises for a failed run: a launcher would lose the others' results or hide all errors but the first. How it
ended is kept in this process, and left in the multirun's ledger for the one that started it.
"""

from __future__ import annotations

import shlex
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyprop.cli import INTERRUPTED
from tinyprop.config.hydra_job import HydraTree, Received, as_yaml, received
from tinyprop.config.schema import SweepSettings
from tinyprop.errors import DataError, RequestError, TinypropError
from tinyprop.progress import SILENT, Progress
from tinyprop.sweeps.ledger import Ledger, Status, Word
from tinyprop.training import result
from tinyprop.training.run import PrunedError, Watch, execute


@dataclass(frozen=True)
class Ended:
    """How one run ended: its word, and what ``result.json`` holds."""

    word: Word
    result: dict[str, Any]


_progress: Progress = SILENT
_ended: list[Ended] = []


@contextmanager
def reporting_to(progress: Progress) -> Iterator[None]:
    """Have the jobs of this process report to ``progress`` while the block runs."""
    global _progress
    _progress = progress
    _ended.clear()
    try:
        yield
    finally:
        _progress = SILENT


def last_ended() -> Ended:
    """How the last job of this process ended."""
    return _ended[-1]


def hydra_job(tree: HydraTree) -> float | None:
    """Run one configuration. Returns how well it does on validation data, for sweepers that search."""
    job = received(tree)
    ledger = Ledger(job.config.runs_dir, job.config.sweep.id) if job.config.sweep.id is not None else None
    begun = Word(job.config.run_name, "running", str(job.run_dir))
    if ledger is not None:
        ledger.leave(begun)
    try:
        ended = _execute(job, begun)
    except KeyboardInterrupt:
        if ledger is not None:
            ledger.leave(replace(begun, status="killed", reason="interrupted", exit_status=INTERRUPTED))
        raise
    _ended.append(ended)
    if ledger is not None:
        ledger.leave(ended.word)
    return ended.word.metrics.get("validation_accuracy", ended.word.metrics.get("validation_auc"))


def _execute(job: Received, begun: Word) -> Ended:
    config, run_dir = job.config, job.run_dir
    try:
        outcome = execute(
            config,
            run_dir,
            init_from=_initial_weights(job),
            config_yaml=as_yaml(config),
            command=_command(job.command),
            progress=_progress,
            targets=job.composer.targets(config.cost.targets).values(),
            watch=_watch(config.sweep),
        )
    except PrunedError as error:
        return Ended(replace(begun, status="pruned", reason=str(error), since=time.time()), {})
    except TinypropError as error:
        return _failed(job, begun, str(error), error.exit_status)
    except Exception as error:  # a defect, or a library's: the other runs of a sweep must not suffer from it
        details = run_dir / "error.txt"
        with suppress(OSError):
            details.write_text(traceback.format_exc())
        return _failed(job, begun, f"unexpected {type(error).__name__}: {error} (details in {details})", 1)
    status: Status = "reused" if outcome.get("reused") else "done"
    return Ended(replace(begun, status=status, metrics=outcome["metrics"], since=time.time()), outcome)


def _failed(job: Received, begun: Word, reason: str, exit_status: int) -> Ended:
    word = replace(begun, status="failed", reason=reason, exit_status=exit_status, since=time.time())
    return Ended(word, left_by(job.config.hash, job.run_dir))


def _watch(sweep: SweepSettings) -> Watch | None:
    """What tells a search how a run of it does, if it wants to know."""
    if sweep.storage is None or sweep.study is None or sweep.trial is None:
        return None
    from tinyprop.search.pruning import watch

    return watch(sweep.storage, sweep.study, sweep.trial)


def _initial_weights(job: Received) -> Callable[[], str] | None:
    """What gives the run or checkpoint to begin with, if not the seed."""
    source = job.config.trainer.init_from
    if job.config.pretrain:
        return lambda: _pretrained(job)
    return None if source is None else lambda: source


def _pretrained(job: Received) -> str:
    """Train, or find, the run that this one begins with; its directory."""
    overrides = [*job.config.pretrain, f"runs_dir='{job.config.runs_dir}'"]
    command = _command(overrides)
    first = job.composer.run_config(overrides).model_copy(update={"tracking": job.config.tracking})
    if first.pretrain:
        raise RequestError(f"pretrain: {command} has a pretrain of its own; train that run first and name it here")
    run_dir = Path(first.runs_dir).absolute() / first.run_name
    source = first.trainer.init_from
    try:
        execute(
            first,
            run_dir,
            init_from=None if source is None else lambda: source,
            config_yaml=as_yaml(first),
            command=command,
            progress=_progress,
            targets=job.composer.targets(first.cost.targets).values(),
        )
    except TinypropError as error:
        raise type(error)(f"the run to begin with failed ({command}): {error}") from error
    return str(run_dir)


def _command(overrides: Iterable[str]) -> str:
    return shlex.join(["tinyprop", "train", *overrides])


def left_by(config_hash: str, run_dir: Path) -> dict[str, Any]:
    """What a run that did not succeed has left; nothing of another run, or of an earlier one that did succeed."""
    try:
        stored = result.read(run_dir) or {}
    except DataError:
        return {}
    return stored if stored.get("config_hash") == config_hash and stored["status"] in ("failed", "killed") else {}
