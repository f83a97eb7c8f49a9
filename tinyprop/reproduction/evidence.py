"""What a study's runs say, sorted as a comparison sorts them, and what is known of their data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tinyprop.compare import Question, compare, selection
from tinyprop.compare.answer import FamilyComparison
from tinyprop.compare.families import Group
from tinyprop.compare.quantities import Quantity
from tinyprop.compare.run import Excluded, Run
from tinyprop.errors import RequestError
from tinyprop.reproduction.studies import Study

BOARD = "STM32F407VG"
"""The Cortex-M4F whose modelled cycles count."""


@dataclass(frozen=True)
class Data:
    """What the runs were trained and tested on.

    Attributes:
        reduced: whether it is less than in the published setting.
    """

    name: str
    fingerprint: str
    train: int
    test: int
    synthetic: bool
    reduced: bool
    notes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Real or generated."""
        return "generated" if self.synthetic else "real"


@dataclass(frozen=True, eq=False)
class Evidence:
    """A study with its runs.

    Attributes:
        expected: how many runs the study has.
        finished: how many of them have finished.
        comparison: None where none has.
        excluded: runs that take no part, and why.
    """

    study: Study
    expected: int
    finished: int
    comparison: FamilyComparison | None
    data: Data | None
    excluded: tuple[Excluded, ...] = ()

    @property
    def groups(self) -> Sequence[Group]:
        """The configurations, over seeds."""
        return [] if self.comparison is None else [summary.group for summary in self.comparison.groups]

    @property
    def dense(self) -> Group | None:
        """Dense training, if it has finished runs."""
        return next((group for group in self.matching(("policy=dense",))), None)

    @property
    def score(self) -> Quantity:
        """What accuracy is read from."""
        assert self.comparison is not None
        return self.comparison.score

    @property
    def costs(self) -> dict[str, Quantity]:
        """What there is of work and modelled cycles, by key."""
        known = {} if self.comparison is None else {cost.key: cost for cost in self.comparison.costs}
        if self.comparison is None or self.comparison.target_name != BOARD:
            known.pop("cycles", None)
        return known

    def matching(self, selectors: Collection[str]) -> list[Group]:
        """The configurations with finished runs that any of the selectors means; ``authors`` are the study's own."""
        texts = [one for text in selectors for one in (self.study.authors if text == "authors" else (text,))]
        wanted = [selection.parse(text, "claim") for text in texts]
        return [
            group for group in self.groups if group.runs and any(each.matches_policy(group.policy) for each in wanted)
        ]


def gather(study: Study, runs: Sequence[Run], expected: int) -> Evidence:
    """Evidence of a study's runs.

    Args:
        runs: those that have begun, finished or not.

    Raises:
        RequestError: they are of several settings, which no claim can be scored with.
    """
    finished = [run for run in runs if run.finished]
    if not finished:
        left = tuple(Excluded(run.name, run.place, run.status, run.reason or "no reason was recorded") for run in runs)
        return Evidence(study, expected, 0, None, None, left)
    comparison = compare(runs, Question(metric="test_accuracy", target=_board(finished)))
    if len(comparison.families) > 1:
        labels = "; ".join(each.family.label for each in comparison.families)
        raise RequestError(f"{study.name}: its runs are of several settings, and a claim is scored in one: {labels}")
    (family,) = comparison.families
    return Evidence(study, expected, len(finished), family, _data(study, finished), tuple(comparison.excluded))


def _board(runs: Sequence[Run]) -> str | None:
    """The board's name, if any run is modelled on it."""
    return BOARD if any(BOARD in (run.result.get("cost") or {}) for run in runs) else None


def _data(study: Study, finished: Sequence[Run]) -> Data:
    first = finished[0].result
    samples = first.get("samples", {})
    train, test = int(samples.get("train", 0)), int(samples.get("test", 0))
    return Data(
        str(first.get("dataset", "?")),
        str(first["dataset_fingerprint"]),
        train,
        test,
        bool(first.get("synthetic")),
        train < study.samples[0] or test < study.samples[1],
        tuple(first.get("notes") or ()),
    )
