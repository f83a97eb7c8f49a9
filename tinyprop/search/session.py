"""The loop of a search: take trials, have their runs trained together, tell what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock, Timeout

from tinyprop.config.request import Job
from tinyprop.errors import DataError, RequestError, TinypropError
from tinyprop.search.plan import SearchPlan
from tinyprop.search.storage import locate, open_storage
from tinyprop.search.study import OpenTrial, Study, TrialRecord
from tinyprop.sweeps import rounds
from tinyprop.sweeps.ledger import Word
from tinyprop.sweeps.rounds import Launcher, Plan
from tinyprop.training import result

JobOf = Callable[[Sequence[str]], Job]
"""From all of a run's overrides to the run."""

_open: list[Search] = []


@contextmanager
def opened(plan: SearchPlan, runs_dir: Path, job_of: JobOf, *, anew: bool = False) -> Iterator[Search]:
    """Open a search for this process alone; the sweeper finds it by `current` while the block runs.

    Args:
        anew: forget the trials of earlier commands.

    Raises:
        RequestError: another process runs it, or its study belongs to another search.
        TinypropError: its storage cannot be used.
    """
    lock = FileLock(runs_dir / f".{plan.study_name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RequestError(
            f"the search {plan.study_name} is run by another process; wait for it, or search beside it with another "
            "hydra.sweeper.seed"
        ) from None
    try:
        url = locate(plan.settings.storage, runs_dir)
        _open.append(Search(Study(plan, open_storage(url), anew=anew), url, job_of))
        yield current()
    finally:
        _open.clear()
        lock.release()


def current() -> Search:
    """The search that this process has opened."""
    assert _open, "a search is run by tinyprop train -m only"
    return _open[0]


class Search:
    """One command's work on a search."""

    def __init__(self, study: Study, url: str, job_of: JobOf):
        self._study = study
        self._url = url
        self._job_of = job_of

    @property
    def plan(self) -> SearchPlan:
        """What is searched."""
        return self._study.plan

    @property
    def runs_left(self) -> int:
        """Runs that this command has to train, or to find finished."""
        trials = self.trials()
        ended = sum(trial.status in ("complete", "pruned") for trial in trials)
        return (max(self.plan.settings.n_trials, len(trials)) - ended) * len(self.plan.seeds)

    def trials(self) -> list[TrialRecord]:
        """Every trial so far, those of earlier commands included."""
        return self._study.records()

    def run(self, launcher: Launcher, *, losses: int, retry_failed: bool) -> None:
        """Train trials, batch by batch, until there are as many as wanted.

        Args:
            losses: how often the process of a run may end without a word before the run counts as failed.
            retry_failed: try failed trials once more, after all others; those of earlier commands are in any case.
        """
        for _ in range(2 if retry_failed else 1):
            self._study.repeat_failed()
            while (batch := self._study.next_batch()) and self._train(batch, launcher, losses):
                pass

    def _train(self, batch: list[OpenTrial], launcher: Launcher, losses: int) -> bool:
        """Train the trials of a batch together and tell what came of them; False where the launcher was given up."""
        multirun = rounds.current()
        jobs: dict[int, list[Job]] = {}
        for trial in batch:
            try:
                mark = self._mark(trial.number)
                jobs[trial.number] = [self._job_of([*line, *mark]) for line in self.plan.overrides(trial.values)]
            except RequestError as error:
                self._study.tell_ended(trial.number, [], str(error), pruned=False)
        all_jobs = {job.config.run_name: job for of_trial in jobs.values() for job in of_trial}
        for name in all_jobs:
            multirun.ledger.forget(name)  # what an earlier command said of it
        plan = Plan(tuple(all_jobs.values()), multirun.ledger, multirun.marks, losses=multirun.losses)
        plan.complete(launcher, losses=losses, retry_failed=False)
        words = multirun.ledger.words()
        for number, of_trial in jobs.items():
            self._tell(number, [(job.config.run_name, words.get(job.config.run_name)) for job in of_trial])
        multirun.trouble = plan.trouble
        return plan.trouble is None

    def _mark(self, number: int) -> list[str]:
        """What tells a run which trial it is of, and where to ask whether to go on."""
        mark = [f"sweep.study='{self.plan.study_name}'", f"sweep.trial={number}"]
        if self.plan.settings.pruner is not None:
            escaped = self._url.replace("\\", "\\\\").replace("'", "\\'")
            mark.append(f"sweep.storage='{escaped}'")
        return mark

    def _tell(self, number: int, runs: list[tuple[str, Word | None]]) -> None:
        """Tell the study how a trial ended, from how its runs did; it stays open where one of them was not trained."""
        ended = [(name, word) for name, word in runs if word is not None]
        if len(ended) < len(runs):
            return
        told = [{"name": name, "status": word.status} for name, word in ended]
        for _, word in ended:
            if not word.succeeded:
                reason = word.reason or "its process ended without a word, again and again"
                self._study.tell_ended(number, told, reason, pruned=word.status == "pruned")
                return
        try:
            results = [_result(word) for _, word in ended]
            scores = [fmean(objective.value(found) for found in results) for objective in self.plan.objectives]
        except TinypropError as error:
            self._study.tell_ended(number, told, str(error), pruned=False)
            return
        runs_told = [{**run, "run_id": found["run_id"]} for run, found in zip(told, results, strict=True)]
        self._study.tell(number, scores, runs_told)


def _result(word: Word) -> dict[str, Any]:
    found = result.read(Path(word.run_dir))
    if found is None:
        raise DataError(f"{word.run_dir}: the result is gone")
    return found
