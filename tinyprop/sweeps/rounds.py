"""Launching the runs of a multirun until every one of them has ended, whatever becomes of the processes.

A launcher, whichever it is, gets all runs that are not finished. Where it loses some, because a process, a node or the
launcher itself died, they are launched again, and go on from their checkpoints.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from tinyprop.config.request import Job
from tinyprop.sweeps.ledger import Ledger, Word

_STALLED = 3
"""Rounds in a row in which no run began before a launcher is given up."""

_QUOTING = "'\"\\$"
"""What Hydra would take for more than text."""

_logger = logging.getLogger(__name__)


class Launcher(Protocol):
    """What Hydra's launchers have in common."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Train runs, each given by its overrides; returns when none is under way any more."""


@dataclass
class Plan:
    """What is to be trained.

    Attributes:
        jobs: the runs that are not finished yet.
        marks: overrides by which the runs know the multirun that they belong to.
        trouble: why the launcher was given up, in the end.
    """

    jobs: tuple[Job, ...]
    ledger: Ledger
    marks: tuple[str, ...]
    trouble: str | None = None
    losses: Counter[str] = field(default_factory=Counter)

    def complete(self, launcher: Launcher, *, losses: int, retry_failed: bool) -> None:
        """Launch until every run has ended.

        Args:
            losses: how often the process of a run may end without a word before the run is given up.
            retry_failed: launch failed runs once more, after all others.
        """
        self._launch(launcher, self.jobs, losses)
        if retry_failed:
            words = self.ledger.words()
            failed = tuple(job for job in self.jobs if _status(words, job) == "failed")
            for job in failed:
                self.ledger.forget(job.config.run_name)
            self._launch(launcher, failed, losses)

    def _launch(self, launcher: Launcher, jobs: tuple[Job, ...], losses: int) -> None:
        """Rounds of launching what has not ended."""
        launched, stalled, remaining = 0, 0, jobs
        while remaining:
            reason = self._round(launcher, remaining, launched)
            launched += len(remaining)
            words = self.ledger.words()
            stalled = stalled + 1 if all(_status(words, job) is None for job in remaining) else 0
            if stalled == _STALLED:
                self.trouble = reason
                return
            remaining = tuple(self._lost(remaining, words, losses))
            if remaining:
                _logger.warning("%d of %d runs were lost (%s); launching them again", len(remaining), len(jobs), reason)

    def _lost(self, jobs: Sequence[Job], words: dict[str, Word], losses: int) -> Iterator[Job]:
        """Runs to launch again: those that were not begun, and those under way, unless they were lost too often."""
        for job in jobs:
            name = job.config.run_name
            if _status(words, job) == "running":
                self.losses[name] += 1
                if self.losses[name] < losses:
                    self.ledger.forget(name)
                    yield job
            elif _status(words, job) is None:
                yield job

    def _round(self, launcher: Launcher, jobs: Sequence[Job], index: int) -> str:
        """One launch; what the launcher says where it breaks."""
        try:
            overrides = [[*job.arguments, *_apart(job), *self.marks] for job in jobs]
            returned = launcher.launch(overrides, initial_job_idx=index)
        except Exception as error:  # each launcher has exceptions of its own for a worker that is gone
            lines = str(error).strip().splitlines() or [""]
            return f"{type(error).__name__}: {lines[0]}".rstrip(": ")
        # A job raises only before it can leave word; Hydra keeps that for whoever looks.
        raised = [job._return_value for job in returned if job.status.name == "FAILED"]
        return str(raised[0]) if raised else "the launcher came back without them"


def _apart(job: Job) -> list[str]:
    """The override that names the run among its siblings, where its policy and seed do not."""
    told = [line for line in job.overrides if not line.startswith(("policy=", "policy.", "seed="))]
    plain = "".join(character for character in " ".join(told) if character not in _QUOTING)
    return [f"sweep.apart='{plain}'"] if plain else []


def _status(words: dict[str, Word], job: Job) -> str | None:
    word = words.get(job.config.run_name)
    return word.status if word else None


_current: Plan | None = None


@contextmanager
def planned(plan: Plan) -> Iterator[None]:
    """Have our sweeper, which Hydra makes for itself, carry out ``plan`` while the block runs."""
    global _current
    _current = plan
    try:
        yield
    finally:
        _current = None


def current() -> Plan:
    """What the block around has planned."""
    assert _current is not None, "a grid is swept by tinyprop train -m only"
    return _current
