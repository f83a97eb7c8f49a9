"""A whole search, checked: where it looks, what for, and the command line that all of its runs share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tinyprop.search.objectives import Objective
from tinyprop.search.settings import SearchSettings
from tinyprop.search.space import Dimension, Value, as_override


@dataclass(frozen=True)
class SearchPlan:
    """What a search does.

    Attributes:
        space: dimensions, each after the one that bounds it.
        seeds: every trial is trained with each of them.
        fixed: overrides that all runs share.
        batch_size: trials trained at once.
        base: hash of the configuration that the dimensions vary.
        prefix: dataset, model and policy, which the study is named after.
    """

    settings: SearchSettings
    space: tuple[Dimension, ...]
    objectives: tuple[Objective, ...]
    seeds: tuple[int, ...]
    fixed: tuple[str, ...]
    batch_size: int
    base: str
    prefix: str

    def identity(self) -> dict[str, Any]:
        """Everything that decides which trials are comparable: not how many there are, nor how many at once."""
        return {
            "configuration": self.base,
            "space": [dimension.as_text() for dimension in self.space],
            "objectives": [objective.name for objective in self.objectives],
            "seeds": list(self.seeds),
            "sampler": self.settings.sampler,
            "sampler_seed": self.settings.seed,
            "pruner": self.settings.pruner,
        }

    @property
    def study_name(self) -> str:
        """The same for the same search."""
        if self.settings.study is not None:
            return self.settings.study
        digest = hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()
        return f"{self.prefix}-search-{digest[:10]}"

    def overrides(self, values: dict[str, Value]) -> list[list[str]]:
        """The command lines of a trial's runs, one a seed."""
        drawn = [as_override(key, value) for key, value in values.items()]
        return [[*self.fixed, *drawn, f"seed={seed}"] for seed in self.seeds]
