"""A multirun: its parent in MLflow, its runs wherever Hydra's launcher puts them, and the account of how each ended.

What is trained decides who a multirun is. The same command again finds its ledger, its parent and its finished runs,
and trains what is missing; so does a command for more seeds or arms with the runs that both have.
"""

from __future__ import annotations

import hashlib
import logging
import shlex
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from tinyprop import datasets
from tinyprop.cli import jobs, study_report
from tinyprop.cli.account import Account, Outcome, account, close, outcome
from tinyprop.config.composition import Composer
from tinyprop.config.hydra_job import hand_over
from tinyprop.config.request import Job, Request
from tinyprop.errors import TinypropError
from tinyprop.progress import Progress
from tinyprop.report.comparison import REPORT
from tinyprop.report.live import SweepView
from tinyprop.sweeps.ledger import Ledger, Word
from tinyprop.sweeps.rounds import Plan, planned
from tinyprop.tracking import ParentRun, Store, UnknownRunError, open_store
from tinyprop.training.result import Result
from tinyprop.training.reuse import earlier_result, is_finished, reused
from tinyprop.training.run import conclude_lost

_logger = logging.getLogger(__name__)

_POLL = 0.3
"""Seconds between two looks at which runs have ended."""
_PARENT = "mlflow_run_id"
"""The file of a multirun's directory that holds its parent's id in MLflow."""


def run_multirun(
    request: Request, hydra_arguments: list[str], composer: Composer, progress: Progress, *, chosen: int | None = None
) -> Account:
    """Train every run of a request and give account of all of them, also after a failure or Ctrl-C.

    Args:
        chosen: how many runs a sweeper that chooses as it goes will choose.
    """
    base = request.base
    store = open_store(base.tracking, Path(base.runs_dir), progress)
    sweep_id = _sweep_id(request)
    ledger = Ledger(base.runs_dir, sweep_id)
    ledger.directory.mkdir(parents=True, exist_ok=True)
    with _alone(ledger.directory, progress):
        command = shlex.join(["tinyprop", "train", *hydra_arguments])
        parent = _parent(store, ledger, sweep_id, command)
        marks = [f"sweep.id='{sweep_id}'", f"sweep.parent_run_id={parent.run_id or 'null'}", "study.arms=[]"]
        finished = _finished(request, composer, progress)
        _begin_ledger(ledger, request, finished, store, parent)
        left = tuple(job for job in request.jobs if job.config.run_name not in finished)
        plan = Plan(left, ledger, tuple(marks))
        interrupted, trouble = False, None
        if left or not request.jobs:
            interrupted, trouble = _train(plan, request, [*hydra_arguments, *marks], progress, chosen)
        failed = _conclude(ledger, plan, interrupted=interrupted)
        if parent.run_id is not None:
            try:
                store.end_abandoned({"mlflow.parentRunId": parent.run_id}, failed)
            except TinypropError as error:
                trouble = str(error)
        outcomes = _outcomes(request, ledger, finished, interrupted=interrupted, trouble=trouble or plan.trouble)
        ended = account(outcomes, parent.run_id, interrupted=interrupted, complete=trouble is None)
        if not interrupted and request.search is None and study_report.is_study(ended):
            comparison = study_report.write(ended, ledger, parent, progress)
            page = ledger.directory / study_report.FOLDER / REPORT
            ended = replace(ended, comparison=comparison, sweep=sweep_id, report=page)
        return close(parent, ended, command)


def _sweep_id(request: Request) -> str:
    """The same for the same runs; of a search, which decides on its runs later, what is searched."""
    if request.search is not None:
        return request.search.study_name
    names = sorted(job.config.run_name for job in request.jobs) or [time.strftime("%Y%m%d-%H%M%S")]
    return f"{request.name}-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:10]}"


@contextmanager
def _alone(directory: Path, progress: Progress) -> Iterator[None]:
    """Only one process at a time carries out a multirun."""
    lock = FileLock(directory / ".lock")
    with progress.task(f"Waiting for {directory.name}, which another process is carrying out", None):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _parent(store: Store, ledger: Ledger, sweep_id: str, command: str) -> ParentRun:
    """The multirun's run in MLflow, taken up again where an earlier process has begun it."""
    known = ledger.directory / _PARENT
    if known.exists():
        try:
            return store.resume_parent(known.read_text(encoding="utf-8").strip())
        except UnknownRunError:
            pass  # deleted there, or another store: the multirun gets a new one
    parent = store.start_parent(
        sweep_id.replace("-", " "), {"tinyprop.command": command, "tinyprop.sweep": sweep_id, "tinyprop.kind": "sweep"}
    )
    if parent.run_id is not None:
        known.write_text(parent.run_id, encoding="utf-8")
    return parent


def _finished(request: Request, composer: Composer, progress: Progress) -> dict[str, Result]:
    """Results of the runs that are finished already, by name; what contradicts one is for the run itself to report."""
    found: dict[str, Result] = {}
    if not request.in_runs_dir:
        return found  # their directories are known to Hydra alone: each run looks for itself
    with datasets.remembering(), progress.task("Looking for finished runs", len(request.jobs), "runs") as advance:
        for job in request.jobs:
            config, run_dir = job.config, Path(job.config.runs_dir).absolute() / job.config.run_name
            try:
                earlier = earlier_result(config, run_dir)
                if earlier is not None and is_finished(config, earlier):
                    targets = composer.targets(config.cost.targets).values()
                    found[config.run_name] = reused(config, run_dir, earlier, targets, progress)
            except TinypropError:
                continue
            finally:
                advance(1)
    return found


def _begin_ledger(
    ledger: Ledger, request: Request, finished: dict[str, Result], store: Store, parent: ParentRun
) -> None:
    """Leave word of finished runs, which become children of this multirun, and none of those that are to be trained."""
    known = ledger.words()
    for job in request.jobs:
        name = job.config.run_name
        if name not in finished:
            ledger.forget(name)
            continue
        found = finished[name]
        ledger.leave(Word(name, "reused", found["run_dir"], metrics=found["metrics"]))
        if parent.run_id is not None and found["run_id"] is not None and name not in known:
            store.adopt(found["run_id"], parent.run_id)


def _train(
    plan: Plan, request: Request, hydra_arguments: list[str], progress: Progress, chosen: int | None
) -> tuple[bool, str | None]:
    """Whether the user interrupted it, and what broke."""
    with jobs.reporting_to(progress), planned(plan), _watched(plan, request.jobs, progress, chosen):
        try:
            with redirect_stdout(sys.stderr), _without_ray_afterwards():  # standard output is for the account
                hand_over(hydra_arguments, jobs.hydra_job)
        except KeyboardInterrupt:
            return True, None
        except SystemExit as ended:  # Hydra's way of saying that something of its own broke
            return False, f"the launcher ended with status {ended.code}; its message is above"
    return False, None


@contextmanager
def _without_ray_afterwards() -> Iterator[None]:
    """Ray, where it was the launcher, prints what befalls its nodes for as long as this process is connected to it."""
    try:
        yield
    finally:
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()


def _conclude(ledger: Ledger, plan: Plan, *, interrupted: bool) -> set[str]:
    """Complete the words of runs whose processes were killed: launchers do that when they are interrupted.

    Returns:
        Ids in MLflow of those that have failed by it.
    """
    failed = set()
    for name, word in ledger.words().items():
        if word.status == "running":
            times = plan.losses[name]
            lost = "its process ended without a word" + (f", {times} times" if times > 1 else "")
            reason = "interrupted" if interrupted else lost
            ended = replace(word, status="killed" if interrupted else "failed", reason=reason)
            lost_run = conclude_lost(Path(word.run_dir), ended.status, reason)
            if lost_run is not None and lost_run["status"] == "failed" and lost_run["run_id"] is not None:
                failed.add(lost_run["run_id"])
            ledger.leave(ended)
    return failed


def _outcomes(
    request: Request, ledger: Ledger, finished: dict[str, Result], *, interrupted: bool, trouble: str | None
) -> list[Outcome]:
    words = ledger.words()
    expected = {job.config.run_name: job.overrides for job in request.jobs} or {name: (name,) for name in words}
    hashes = {job.config.run_name: job.config.hash for job in request.jobs}
    lost = "interrupted before it began" if interrupted else trouble or "it was not begun"
    return [
        outcome(name, list(overrides), words.get(name), finished.get(name), hashes.get(name), missing=lost)
        for name, overrides in expected.items()
    ]


@contextmanager
def _watched(plan: Plan, all_jobs: Sequence[Job], progress: Progress, chosen: int | None) -> Iterator[None]:
    """Show where the runs stand, in whatever process they are, until the block ends."""
    over = threading.Event()
    titles = {job.config.run_name: " ".join(job.overrides) for job in all_jobs}
    view = SweepView(titles)

    def watch() -> None:
        names, seen, last = {job.config.run_name for job in plan.jobs}, 0, False
        before = plan.ledger.words()  # of a search: earlier commands' runs
        total = len(names) if chosen is None else chosen
        told = {name for name, word in before.items() if word.status == "failed"}
        with progress.showing(view), progress.task("Runs", total or None, "runs") as advance:
            while not last:
                last = over.wait(_POLL)
                words = plan.ledger.words()
                view.update(words)
                for name, word in words.items():
                    if word.status == "failed" and name not in told:
                        told.add(name)
                        reason = (word.reason or "").partition("\n")[0]
                        _logger.warning("failed: %s (%s)", titles.get(name) or name, reason)
                ended = sum(
                    word.status != "running"
                    for name, word in words.items()
                    if name in names or (not names and word != before.get(name))
                )
                advance(ended - seen)
                seen = ended

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
