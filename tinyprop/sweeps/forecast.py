"""How long runs will take: by finished runs of the same kind, or else by training each kind for a moment."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyprop import datasets
from tinyprop.backends.contract import Backend
from tinyprop.config.schema import RunConfig
from tinyprop.datasets.contract import Dataset
from tinyprop.errors import TinypropError
from tinyprop.progress import SILENT, Progress
from tinyprop.training import result
from tinyprop.training.holdout import hold_out
from tinyprop.training.prepare import open_backend, require_ready

BESIDES = 0.6
"""Seconds that a run takes besides training: composing, evaluation, tracking, files."""
_MOMENT = 0.2
"""Seconds of training that tell how long the rest takes."""

_Kind = tuple[str, ...]


@dataclass(frozen=True)
class Forecast:
    """Seconds of training of each run, by name, and why there is none of the others."""

    seconds: dict[str, float]
    unknown: dict[str, str]

    def total(self, processes: int) -> float:
        """Seconds until the runs that are known of have ended, so many at a time."""
        whole = sum(seconds + BESIDES for seconds in self.seconds.values())
        longest = max((seconds + BESIDES for seconds in self.seconds.values()), default=0.0)
        return max(whole / processes, longest)


def forecast(configs: Iterable[RunConfig], progress: Progress = SILENT) -> Forecast:
    """Forecast runs without downloading, generating or changing anything."""
    configs = list(configs)
    rates: dict[_Kind, float] = {}
    seconds, unknown = {}, {}
    with datasets.remembering(), progress.task("Estimating the time", len(configs), "runs") as advance:
        for config in configs:
            try:
                dataset = datasets.load(_local(config))
                kind = _kind(config)
                if kind not in rates:
                    rates[kind] = _rate(config, dataset)
                samples = len(hold_out(dataset, config.trainer.validation_fraction)[0])
                seconds[config.run_name] = rates[kind] * samples * config.trainer.epochs
            except TinypropError as error:
                unknown[config.run_name] = str(error).splitlines()[0]
            advance(1)
    return Forecast(seconds, unknown)


def _local(config: RunConfig) -> datasets.DatasetSettings:
    """The data, if it is here."""
    settings: Any = config.dataset
    elsewhere = getattr(settings, "source", None) in ("auto", "download")
    local: datasets.DatasetSettings = replace(settings, source="local") if elsewhere else settings
    return local


def _kind(config: RunConfig) -> _Kind:
    """What runs have in common that take equally long for a sample."""
    policy = config.policy
    ratio = getattr(policy, "ratio", None)
    return (
        *(str(part) for part in (config.dataset, config.model, config.backend, config.optimizer.name)),
        f"{policy.name} {policy.granularity} {policy.sparsify_output} {ratio}",
        str(config.trainer.batch_size),
    )


def _rate(config: RunConfig, dataset: Dataset) -> float:
    """Seconds for a sample of an epoch."""
    earlier = result.read(Path(config.runs_dir) / config.run_name)
    if earlier is not None and earlier["status"] == "finished":
        trained: int = earlier["epochs"] * len(hold_out(dataset, config.trainer.validation_fraction)[0])
        return float(earlier["wall_seconds"] / trained)
    require_ready(config)
    backend, _ = open_backend(config, dataset, None)
    x = dataset.train.x
    target = x if dataset.task == "reconstruction" else dataset.train.y
    samples = min(config.trainer.batch_size, len(x))
    _seconds(backend, x, target, samples)  # the first call prepares the data
    spent = _seconds(backend, x, target, samples)
    while spent < _MOMENT and samples < len(x):
        samples = min(2 * samples, len(x))
        spent = _seconds(backend, x, target, samples)
    return spent / samples


def _seconds(backend: Backend, x: NDArray[np.float32], target: NDArray[Any], samples: int) -> float:
    begin = time.perf_counter()
    backend.train_epoch(0, 0.0, x, target, np.arange(samples), lambda amount: None)
    return time.perf_counter() - begin
