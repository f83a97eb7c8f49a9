"""The loop of a search: take trials, have their runs trained together, tell what came of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock, Timeout

from tinyprop.errors import RequestError, TinypropError
from tinyprop.search.plan import SearchPlan
from tinyprop.search.storage import locate, open_storage
from tinyprop.search.study import OpenTrial, Study, TrialRecord

Launch = Callable[..., object]
"""Hydra's ``Launcher.launch(job_overrides, initial_job_idx)``."""
NameOf = Callable[[Sequence[str]], str]
"""From a run's overrides to its name."""
Outcome = dict[str, Any]
"""How a run ended: ``status``, ``reason`` and its ``result``."""
OutcomesOf = Callable[[str], Mapping[str, Outcome]]
"""From a multirun's id to how its runs have ended so far, by name."""

_LAUNCHES = 3
"""How often a run that is lost, such as on a node that died, is launched in one command."""

_logger = logging.getLogger(__name__)
_open: list[Search] = []


@contextmanager
def opened(plan: SearchPlan, runs_dir: Path, name_of: NameOf, outcomes_of: OutcomesOf) -> Iterator[Search]:
    """Open a search for this process alone; the sweeper finds it by `current` while the block runs.

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
        search = Search(Study(plan, open_storage(url)), url, name_of, outcomes_of)
        _open.append(search)
        yield search
    finally:
        _open.clear()
        lock.release()


def current() -> Search:
    """The search that this process has opened."""
    if not _open:
        raise RequestError("hydra/sweeper=search works with `tinyprop train -m` only")
    return _open[0]


class Search:
    """One command's work on a search."""

    def __init__(self, study: Study, url: str, name_of: NameOf, outcomes_of: OutcomesOf):
        self._study = study
        self._url = url
        self._name_of = name_of
        self._outcomes_of = outcomes_of
        self._launched = 0

    @property
    def plan(self) -> SearchPlan:
        """What is searched."""
        return self._study.plan

    @property
    def runs_left(self) -> int:
        """Runs that this command has to train, or to find finished."""
        ended = sum(trial.status in ("complete", "pruned") for trial in self.trials())
        return (max(self.plan.settings.n_trials, len(self.trials())) - ended) * len(self.plan.seeds)

    def trials(self) -> list[TrialRecord]:
        """Every trial so far, those of earlier commands included."""
        return self._study.records()

    def run(self, arguments: Sequence[str], launch: Launch) -> None:
        """Train trials, batch by batch, until there are as many as wanted.

        Args:
            arguments: the command line's overrides, of which those of ``sweep.`` are for every run.
        """
        own = [line for line in arguments if line.startswith("sweep.")]
        sweep_id = next(line.partition("=")[2].strip("'") for line in own if line.startswith("sweep.id="))
        self._study.repeat_failed()
        lost: set[int] = set()
        while batch := [trial for trial in self._study.next_batch() if trial.number not in lost]:
            lost |= self._train(batch, own, sweep_id, launch)

    def _train(self, batch: list[OpenTrial], own: list[str], sweep_id: str, launch: Launch) -> set[int]:
        """Train the trials of a batch together and tell what came of them; the numbers of those that were lost."""
        names: dict[int, list[str]] = {}
        waiting: dict[str, list[str]] = {}
        for trial in batch:
            try:
                lines = self.plan.overrides(trial.values)
                names[trial.number] = [self._name_of(line) for line in lines]
            except RequestError as error:
                self._study.tell_ended(trial.number, [], str(error), pruned=False)
                continue
            mark = self._mark(trial.number)
            waiting |= {name: [*line, *own, *mark] for name, line in zip(names[trial.number], lines, strict=True)}
        self._launch(waiting, sweep_id, launch)
        found = self._outcomes_of(sweep_id)
        return {
            number for number, runs in names.items() if not self._told(number, [(run, found.get(run)) for run in runs])
        }

    def _launch(self, waiting: dict[str, list[str]], sweep_id: str, launch: Launch) -> None:
        """Have runs trained, and those again that were lost on the way."""
        for attempt in range(1, _LAUNCHES + 1):
            if not waiting:
                return
            begin, self._launched = self._launched, self._launched + len(waiting)
            try:
                launch(list(waiting.values()), initial_job_idx=begin)
            except Exception as error:  # a launcher's own: a worker that died, a node that is gone
                _logger.warning("the launcher failed (%s: %s)", type(error).__name__, str(error).split("\n")[0])
            found = self._outcomes_of(sweep_id)
            waiting = {name: line for name, line in waiting.items() if not _ended(found.get(name))}
            if waiting and attempt < _LAUNCHES:
                _logger.warning("%d runs were lost; they are launched again", len(waiting))

    def _mark(self, number: int) -> list[str]:
        """What tells a run which trial it is of, and where to ask whether to go on."""
        mark = [f"sweep.study='{self.plan.study_name}'", f"sweep.trial={number}"]
        if self.plan.settings.pruner is not None:
            escaped = self._url.replace("\\", "\\\\").replace("'", "\\'")
            mark.append(f"sweep.storage='{escaped}'")
        return mark

    def _told(self, number: int, runs: list[tuple[str, Outcome | None]]) -> bool:
        """Tell the study how a trial ended, from how its runs did; False where one of them was lost."""
        ended = [(name, outcome) for name, outcome in runs if outcome is not None and _ended(outcome)]
        if len(ended) < len(runs):
            return False
        told = [
            {"name": name, "run_id": outcome["result"].get("run_id"), "status": outcome["status"]}
            for name, outcome in ended
        ]
        for _, outcome in ended:
            if outcome["status"] not in ("done", "reused"):
                pruned = outcome["status"] == "pruned"
                self._study.tell_ended(number, told, str(outcome["reason"]), pruned=pruned)
                return True
        try:
            scores = [
                [objective.value(outcome["result"]) for _, outcome in ended] for objective in self.plan.objectives
            ]
        except TinypropError as error:
            self._study.tell_ended(number, told, str(error), pruned=False)
            return True
        self._study.tell(number, [fmean(by_seed) for by_seed in scores], told)
        return True


def _ended(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome["status"] not in ("running", "killed", "missing")
