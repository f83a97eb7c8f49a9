"""Factors from counts: a robust non-negative fit for each kernel, every part weighted by what it took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from tinyprop.cost.coefficients import QUANTITIES, Kernel
from tinyprop.cost.predict import Cost
from tinyprop.cost.products import Features
from tinyprop.cost.simulation import Counted
from tinyprop.cost.step import TrainingStep
from tinyprop.cost.work import Part, parts_of

_NEGLIGIBLE = 0.02
"""Share of a step under which a part matters little: its error is weighed against so much of the step."""

_USUAL = 0.02
"""Relative error up to which a row has its whole weight."""
_PASSES = 12
_ROUNDING = 1e-6
"""Work up to which a count is a difference that rounding has left of nothing."""


@dataclass(frozen=True)
class Row:
    """A part's features, and what the part and its whole step took, by `QUANTITIES`."""

    features: Features
    taken: Sequence[float]
    step: Sequence[float]


def fit(observed: Iterable[tuple[TrainingStep, Counted]]) -> dict[str, Kernel]:
    """Every kernel's factors, from simulated steps and what was counted in them."""
    return {kernel: _fit(rows) for kernel, rows in rows_of(observed).items()}


def rows_of(observed: Iterable[tuple[TrainingStep, Counted]]) -> dict[str, list[Row]]:
    """What is fitted, by kernel: features of the activity that was observed, beside the counts."""
    rows: dict[str, list[Row]] = {}
    for step, counted in observed:
        total = astuple(sum(counted.parts.values(), Cost()))
        for part in parts_of(replace(step, activity=counted.activity)):
            cost = counted.parts.get(_name(part))
            if cost is not None:
                rows.setdefault(part.kernel, []).append(Row(part.features, astuple(cost), total))
    return rows


def _fit(rows: list[Row]) -> Kernel:
    work = np.array([list(row.features.values()) for row in rows])
    factors = {}
    for index, quantity in enumerate(QUANTITIES):
        taken = np.array([row.taken[index] for row in rows])
        scale = taken + _NEGLIGIBLE * np.array([row.step[index] for row in rows])
        factors[quantity] = tuple(round(float(factor), 6) for factor in _nonnegative(work, taken, scale))
    return Kernel(features=tuple(rows[0].features), **factors)


def _nonnegative(
    work: NDArray[np.float64], taken: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Factors that leave the smallest errors, each against its scale, of most rows.

    Least squares, again and again, with less weight for a row the further it is off (Huber's loss, 1964): where only
    means are known of samples that differ, a row may be far off, and must not bend the factors for the others.
    """
    relative, wanted = work / scale[:, np.newaxis], taken / scale
    sizes = np.linalg.norm(relative, axis=0)
    used = work.max(axis=0) > _ROUNDING
    columns, weights = relative[:, used] / sizes[used], np.ones(len(work))
    for _ in range(_PASSES):
        roots = np.sqrt(weights)
        solution, _ = nnls(columns * roots[:, np.newaxis], wanted * roots, maxiter=100 * work.shape[1])
        weights = _USUAL / np.maximum(_USUAL, np.abs(columns @ solution - wanted))
    found = np.zeros(work.shape[1])
    found[used] = solution / sizes[used]
    return found


def _name(part: Part) -> str:
    return f"{part.layer}.{part.phase}" if part.layer else part.phase
