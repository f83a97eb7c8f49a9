"""A search's trials in Optuna: proposed so that a search cut short goes on exactly as it would have."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyprop.errors import RequestError
from tinyprop.search.plan import SearchPlan
from tinyprop.search.space import Value

if TYPE_CHECKING:
    import optuna
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

IDENTITY = "tinyprop.search"
"""The study's attribute that holds the identity of the search, which jobs read too."""
_VALUES, _RUNS, _REASON, _REPEATS = "values", "runs", "reason", "repeats"


@dataclass(frozen=True)
class OpenTrial:
    """A trial to train: its number and its settings by key."""

    number: int
    values: dict[str, Value]


@dataclass(frozen=True)
class TrialRecord:
    """How a trial stands.

    Attributes:
        status: ``complete``, ``pruned``, ``failed``, or ``open`` where it is to be trained.
        values: its settings by key.
        scores: one an objective, where it is complete.
        runs: name, seed, status, scores and MLflow's id of each of its runs.
        best: whether no other trial beats it in everything.
    """

    number: int
    status: str
    values: dict[str, Value]
    scores: tuple[float, ...] | None
    runs: list[dict[str, Any]]
    reason: str | None
    best: bool


class Study:
    """The trials of one plan, in a storage.

    A trial is left RUNNING until all of its runs have ended. One that is found so was cut short, since a search is run
    by one process at a time; it is taken up under its own number. A failed one is tried again under a new number.

    Args:
        anew: forget the trials that an earlier search of this plan has left.

    Raises:
        RequestError: the study of this name belongs to another search.
    """

    def __init__(self, plan: SearchPlan, storage: BaseStorage, *, anew: bool = False):
        import optuna

        self.plan = plan
        self._storage = storage
        self._study = self._created()
        self._claim()
        if anew:
            optuna.delete_study(study_name=plan.study_name, storage=storage)
            self._study = self._created()
            self._claim()

    def _created(self) -> optuna.Study:
        import optuna

        return optuna.create_study(
            study_name=self.plan.study_name,
            storage=self._storage,
            directions=["maximize" if objective.maximised else "minimize" for objective in self.plan.objectives],
            load_if_exists=True,
        )

    def _claim(self) -> None:
        """Mark a new study as this plan's, and refuse one that is another's."""
        ours, known = self.plan.identity(), self._study.user_attrs.get(IDENTITY)
        if known is None and not self._study.get_trials(deepcopy=False):
            self._study.set_user_attr(IDENTITY, ours)
        elif known != ours:
            differs = [key for key, value in ours.items() if (known or {}).get(key) != value]
            raise RequestError(
                f"hydra.sweeper.study={self.plan.study_name}: the storage has another search of this name (another "
                f"{', '.join(differs)}); choose another name, or null to have it named by what is searched"
            )

    def records(self) -> list[TrialRecord]:
        """Every trial that counts, by number: not those that were tried again."""
        best = {trial.number for trial in self._study.best_trials}
        status = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        return [
            TrialRecord(
                number=trial.number,
                status=status.get(trial.state.name, "open"),
                values=dict(trial.user_attrs.get(_VALUES, {})),
                scores=tuple(trial.values) if trial.state.name == "COMPLETE" else None,
                runs=list(trial.user_attrs.get(_RUNS, [])),
                reason=trial.user_attrs.get(_REASON),
                best=trial.number in best,
            )
            for trial in self._counting()
        ]

    def repeat_failed(self) -> None:
        """Put failed trials in line once more: what made them fail may have been mended."""
        for trial in self._counting():
            if trial.state.name == "FAIL":
                self._study.enqueue_trial(trial.params, user_attrs={_REPEATS: trial.number})

    def next_batch(self) -> list[OpenTrial]:
        """Trials to train now: those cut short, those in line, then new ones, until there are ``n_trials``."""
        limit = self.plan.batch_size
        cut_short = [trial.number for trial in self._counting() if trial.state.name == "RUNNING"]
        batch = [self._proposed(number) for number in cut_short[:limit]]
        while len(batch) < limit:
            trials = self._counting()
            waiting = any(trial.state.name == "WAITING" for trial in trials)
            if not waiting and len(trials) >= self.plan.settings.n_trials:
                break
            batch.append(self._proposed(self._study.ask().number))
        return batch

    def tell(self, number: int, scores: Sequence[float], runs: list[dict[str, Any]]) -> None:
        """Record a trial whose runs are finished, with one score an objective."""
        self._told(number, "COMPLETE", runs, None, scores)

    def tell_ended(self, number: int, runs: list[dict[str, Any]], reason: str, *, pruned: bool) -> None:
        """Record a trial that gave no scores: it was pruned, or it failed."""
        self._told(number, "PRUNED" if pruned else "FAIL", runs, reason, None)

    def _told(
        self, number: int, state: str, runs: list[dict[str, Any]], reason: str | None, scores: Sequence[float] | None
    ) -> None:
        from optuna.trial import TrialState

        trial = self._trial(number)
        trial.set_user_attr(_RUNS, runs)
        if reason is not None:
            trial.set_user_attr(_REASON, reason)
        self._study.tell(number, None if scores is None else list(scores), TrialState[state])

    def _proposed(self, number: int) -> OpenTrial:
        """A trial with its settings, proposed now where it has none yet."""
        trial = self._trial(number)
        if _VALUES not in trial.user_attrs:
            self._study.sampler = self._sampler(number)
            values: dict[str, Value] = {}
            for dimension in self.plan.space:
                values[dimension.key] = dimension.suggest(trial, values)
            trial.set_user_attr(_VALUES, values)
        return OpenTrial(number, dict(trial.user_attrs[_VALUES]))

    def _trial(self, number: int) -> Trial:
        return trial_of(self._study, self._storage, number)

    def _counting(self) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False)
        repeated = {trial.user_attrs.get(_REPEATS) for trial in trials}
        return [trial for trial in trials if trial.number not in repeated]

    def _sampler(self, number: int) -> BaseSampler:
        """A sampler whose lots follow from the seed and the trial's number alone.

        One generator for the whole search would begin anew whenever a search goes on, with its first proposals again.
        """
        from optuna.samplers import RandomSampler, TPESampler

        settings = self.plan.settings
        seed = int.from_bytes(hashlib.sha256(f"{settings.seed}/{number}".encode()).digest()[:4], "big")
        return RandomSampler(seed) if settings.sampler == "random" else TPESampler(seed=seed, constant_liar=True)


def trial_of(study: Any, storage: BaseStorage, number: int) -> Trial:
    """A trial by its number, to go on with."""
    from optuna.trial import Trial

    study_id = storage.get_study_id_from_name(study.study_name)
    return Trial(study, storage.get_trial_id_from_study_id_trial_number(study_id, number))


def pruner_of(identity: Mapping[str, Any]) -> BasePruner:
    """The pruner that a search's identity names."""
    from optuna.pruners import MedianPruner, SuccessiveHalvingPruner

    return MedianPruner() if identity["pruner"] == "median" else SuccessiveHalvingPruner()
