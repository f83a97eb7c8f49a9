"""What Hydra calls for each run, wherever its launcher does: the run itself, and word of how it ended.

A job never raises for a failed run: a launcher would lose the others' results or hide all errors but the first. How it
ended is returned to this process, and to the one that started a multirun by a file in the multirun's directory.
"""

from __future__ import annotations

import json
import os
import shlex
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinyprop.cli import INTERRUPTED
from tinyprop.config.hydra_job import HydraTree, Received, as_yaml, received
from tinyprop.config.schema import RunConfig
from tinyprop.errors import DataError, RequestError, TinypropError
from tinyprop.progress import SILENT, Progress
from tinyprop.training import result
from tinyprop.training.run import execute


@dataclass(frozen=True)
class Ended:
    """How one run ended.

    Attributes:
        name: the run's name.
        status: ``done``, ``reused``, ``failed`` or ``killed``; in a multirun's directory also ``running``.
        reason: why it did not succeed.
        result: the content of ``result.json``.
    """

    name: str
    status: str
    reason: str | None = None
    exit_status: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    run_dir: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.status in ("done", "reused")


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
    _leave_word(job.config, Ended(job.config.run_name, "running", run_dir=str(job.run_dir)))
    try:
        ended = _execute(job)
    except KeyboardInterrupt:
        ended = Ended(job.config.run_name, "killed", "interrupted", INTERRUPTED, _stored(job))
        _leave_word(job.config, ended)
        raise
    _ended.append(ended)
    _leave_word(job.config, ended)
    metrics: dict[str, float] = ended.result.get("metrics", {})
    return metrics.get("validation_accuracy", metrics.get("validation_auc"))


def _execute(job: Received) -> Ended:
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
        )
    except TinypropError as error:
        return Ended(config.run_name, "failed", str(error), error.exit_status, _stored(job))
    except Exception as error:  # a defect, or a library's: the other runs of a sweep must not suffer from it
        details = run_dir / "error.txt"
        with suppress(OSError):
            details.write_text(traceback.format_exc())
        reason = f"unexpected {type(error).__name__}: {error} (details in {details})"
        return Ended(config.run_name, "failed", reason, 1, _stored(job))
    return Ended(config.run_name, "reused" if outcome.get("reused") else "done", None, 0, outcome)


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


def _stored(job: Received) -> dict[str, Any]:
    """What a run that did not succeed has left; nothing of another run, or of an earlier one that did succeed."""
    try:
        stored = result.read(job.run_dir) or {}
    except DataError:
        return {}
    own = stored.get("config_hash") == job.config.hash and stored.get("status") in ("failed", "killed")
    return stored if own else {}


def _leave_word(config: RunConfig, ended: Ended) -> None:
    """Tell the process that started the multirun, if this is one, where a run stands."""
    if config.sweep.id is not None:
        directory = sweep_directory(config.runs_dir, config.sweep.id)
        unfinished = directory / f".{ended.name}.{os.getpid()}"
        unfinished.write_text(json.dumps(asdict(ended)))
        os.replace(unfinished, directory / f"{ended.name}.json")


def sweep_directory(runs_dir: str | Path, sweep_id: str) -> Path:
    """Where the runs of one multirun leave word of how they ended."""
    return Path(runs_dir) / "sweeps" / sweep_id
