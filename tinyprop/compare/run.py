"""A run as a comparison sees it, wherever it was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FINISHED = "finished"


@dataclass(frozen=True, eq=False)
class Run:
    """One run, with what it left behind.

    Attributes:
        name: ``dataset-model-policy-sSEED-hash``, or what else is known of it.
        place: the run directory, or ``mlflow:`` and the run's id.
        status: ``finished``, ``failed``, ``killed``, ``running``, or ``unreadable``.
        reason: why it did not finish, or cannot be read.
        config: the resolved configuration as nested JSON values; empty where it is not known.
        result: the content of ``result.json``.
        epochs: the rows of ``metrics.csv``, gaps left out.
        recorded: when, in seconds since 1970; of runs that are the same the latest counts.
        remark: what a reader must know of how it was read.
    """

    name: str
    place: str
    status: str
    reason: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    epochs: Sequence[Mapping[str, float]] = ()
    recorded: float = 0.0
    remark: str | None = None

    @property
    def seed(self) -> int | None:
        """The run's seed; None where its configuration is not known."""
        seed = self.config.get("seed", self.result.get("seed"))
        return None if seed is None else int(seed)

    @property
    def finished(self) -> bool:
        """Whether there is a result to compare."""
        return self.status == FINISHED

    @property
    def identity(self) -> str:
        """What one and the same recorded run is known by: its directory and its record in MLflow are one run."""
        return str(self.result.get("run_id") or self.place)


@dataclass(frozen=True)
class Excluded:
    """A run that takes no part in a comparison.

    Attributes:
        what: its configuration and seed, as far as they are known, else its name.
        status: the run's own, or ``incomparable``, ``repeated``, ``missing``.
        reason: for the reader, in one sentence.
    """

    what: str
    place: str
    status: str
    reason: str
