"""How a search is done, apart from where it looks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tinyprop.errors import require
from tinyprop.search.objectives import refusal


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """The sweeper's settings.

    Attributes:
        n_trials: of the whole study, those of earlier commands included.
        params: key to range, in Hydra's syntax for sweeps; what the command line says of a key comes before it.
        at_least: key to the key whose value it is never drawn below.
        objectives: names, see `tinyprop.search.objectives`.
        sampler: who proposes: Optuna's TPE, or lots.
        seed: of the sampler.
        batch_size: trials trained at once; None: what the launcher says it runs at once, or 1.
        pruner: who ends trials that fall behind; None: nobody.
        storage: Optuna's storage; None: ``search.db`` in the directory of the runs.
        study: its name in the storage; None: named by what is searched.
        retry_failed, losses: see `tinyprop.sweeps.rounds.Plan.complete`.
    """

    n_trials: int = 30
    params: Mapping[str, str] = field(default_factory=dict)
    at_least: Mapping[str, str] = field(default_factory=dict)
    objectives: tuple[str, ...] = ("validation_accuracy", "macs.backward_ratio")
    sampler: Literal["tpe", "random"] = "tpe"
    seed: int = 0
    batch_size: int | None = None
    pruner: Literal["median", "halving"] | None = None
    storage: str | None = None
    study: str | None = None
    retry_failed: bool = False
    losses: int = 5

    def __post_init__(self) -> None:
        refused = [("objectives", text) for text in map(refusal, self.objectives) if text is not None]
        require(
            (self.n_trials >= 1, "n_trials", f"{self.n_trials} is under 1"),
            (self.seed >= 0, "seed", f"{self.seed} is negative"),
            (self.batch_size is None or self.batch_size >= 1, "batch_size", f"{self.batch_size} is under 1"),
            (len(self.objectives) > 0, "objectives", "none is given; a search needs one, such as validation_accuracy"),
            (
                len(set(self.objectives)) == len(self.objectives),
                "objectives",
                f"{', '.join(self.objectives)}: one is named twice",
            ),
            *((False, key, text) for key, text in refused),
            (
                self.pruner is None or len(self.objectives) <= 1,
                "pruner",
                f"{self.pruner!r} compares trials by one number, and there are {len(self.objectives)} objectives; "
                "search with one (hydra.sweeper.objectives=[validation_accuracy]) or without pruning",
            ),
            (
                self.pruner is None or len(self.objectives) != 1 or self.objectives[0].startswith("validation_"),
                "pruner",
                f"{self.pruner!r} watches validation data epoch by epoch, and {self.objectives[:1]} is not of it; "
                "search by one such as validation_accuracy or without pruning",
            ),
            (
                self.storage is None or re.match(r"[a-z0-9+]+:///?", self.storage) is not None,
                "storage",
                f"{self.storage!r} is no storage of Optuna's; give sqlite:////absolute/path.db, "
                "journal:////absolute/path.log, another database's URL, or null for search.db in runs_dir",
            ),
        )
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))
        object.__setattr__(self, "at_least", MappingProxyType(dict(self.at_least)))
