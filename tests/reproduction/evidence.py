"""Evidence made of run directories with numbers that can be worked out on paper."""

from __future__ import annotations

from pathlib import Path

from tests.compare.made import configured, result_of, write
from tinyprop.compare.directories import read_directory
from tinyprop.compare.run import Run
from tinyprop.reproduction import STUDIES, Evidence, gather

DENSE = {"name": "dense", "sparsify_output": True}
PUBLISHED = {"name": "adaptive", "s_min": 0.1, "s_max": 0.9, "zeta": 0.5, "sparsify_output": True}
OURS = {"name": "adaptive", "s_min": 0.05, "s_max": 1.0, "zeta": 1.0, "sparsify_output": False}
SAMPLES = {"train": 6000, "test": 1000}
FIVE = (-0.002, -0.001, 0.0, 0.001, 0.002)
"""Seeds that differ by so much: a standard error of 0.1 · √(2.5 / 5) = 0.0707 points, a t interval of ± 0.196."""


def static(ratio: float, *, sparse: bool) -> dict:
    return {"name": "static", "ratio": ratio, "sparsify_output": sparse}


def runs(place: Path, policy: dict, accuracies: list[float], backward: float, **changes: object) -> list[Run]:
    """Finished runs of one configuration, seeds counted from 0; whole steps cost (1 + backward) / 2 of dense."""
    found = []
    for seed, accuracy in enumerate(accuracies):
        config = configured(policy, seed, dataset={"name": changes.get("dataset", "mnist")})
        result = result_of(config, accuracy, backward, samples=SAMPLES, **changes)
        dense = {"forward": 100, "weight_gradient": 100, "input_gradient": 3}
        result["macs"] |= {phase: {"kept": 1, "dense": count} for phase, count in dense.items()}
        found.append(read_directory(write(place, config, result)))
    return found


def spread(mean: float, seeds: tuple[float, ...] = FIVE) -> list[float]:
    return [mean + each for each in seeds]


def failed(place: Path, policy: dict, seed: int) -> Run:
    config = configured(policy, seed, dataset={"name": "mnist"})
    result = result_of(config, None, 1.0, status="failed", error="training diverged")
    return read_directory(write(place, config, result))


def evidence(found: list[Run], study: str = "mnist", expected: int | None = None) -> dict[str, Evidence]:
    return {study: gather(STUDIES[study], found, len(found) if expected is None else expected)}
