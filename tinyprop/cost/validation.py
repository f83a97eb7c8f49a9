"""How far predictions are from simulations: of held-out networks as numbers, of well-known ones as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tinyprop.cost.coefficients import Coefficients, coefficients_of
from tinyprop.cost.design import data_for
from tinyprop.cost.predict import Prediction, predict
from tinyprop.cost.simulation import Board, Counted
from tinyprop.cost.step import Activity, TrainingStep
from tinyprop.cost.target import Target
from tinyprop.engine.images import CORES
from tinyprop.engine.phases import PHASES
from tinyprop.models.presets import LeNet, Mlp
from tinyprop.models.specification import Loss, NetworkSpecification
from tinyprop.sparse.policies import Adaptive, AnyPolicy, Dense, Static
from tinyprop.training.optimizer import Sgd

NEGLIGIBLE = 0.02
"""Share of a step under which a phase's error is not counted."""

Told = Callable[[Mapping[str, Activity]], Mapping[str, Activity]]
"""Which part of the activity of a simulated step a prediction is told."""


def errors_of(
    known: Coefficients, observed: Iterable[tuple[TrainingStep, Counted]], told: Told
) -> dict[str, dict[str, dict[str, float]]]:
    """Relative errors of predictions, by quantity and by ``step`` or phase: how many, median, 9 in 10, worst.

    Args:
        told: what of the activity that was observed the prediction is told; everything else is assumed.
    """
    target = nominal(known.core)
    found: dict[str, dict[str, list[float]]] = {}
    for step, counted in observed:
        prediction = predict(replace(step, activity=told(counted.activity)), target, coefficients=known)
        for quantity in ("instructions", "cycles"):
            errors = found.setdefault(quantity, {})
            for name, error in _errors(prediction, counted, quantity):
                errors.setdefault(name, []).append(error)
    return {
        quantity: {name: _summary(errors[name]) for name in ("step", *PHASES) if name in errors}
        for quantity, errors in found.items()
    }


def measured_of(activity: Mapping[str, Activity]) -> dict[str, Activity]:
    """Of what was observed, what is known of a run without simulating it: see `tinyprop.estimate.trained`."""
    return {name: replace(known, zero_gradients=None) for name, known in activity.items()}


def kept_of(activity: Mapping[str, Activity]) -> dict[str, Activity]:
    """Of what was observed, what is known where nothing was trained: what is kept."""
    return {name: Activity(kept=known.kept) for name, known in activity.items()}


def nominal(core: str) -> Target:
    """A target of a core of which nothing but cycles are asked."""
    return Target(
        name=core,
        core=core,
        fpu=CORES[core].fpu,
        clock_mhz=1.0,
        sram_bytes=1,
        flash_bytes=1,
        source="nominal: one cycle is a microsecond",
    )


@dataclass(frozen=True)
class Row:
    """One network, policy and core of the table: instructions and modelled cycles of a step."""

    network: str
    policy: str
    core: str
    simulated: Mapping[str, float]
    predicted: Mapping[str, float]


def rows(cores: Iterable[str]) -> Iterator[Row]:
    """The rows of the table, for some cores."""
    for network, specification in _networks():
        for policy_name, policy in _policies():
            step = TrainingStep(specification=specification, policy=policy, optimizer=Sgd(), batch_size=1)
            for core in cores:
                counted = Board(step, core).train(data_for(step, seed=1, blank=True), 0.01, before=1, counted=1)
                known = replace(step, activity=measured_of(counted.activity))
                predicted = predict(known, nominal(core), coefficients=coefficients_of(core)).total
                total = _totals(counted)
                yield Row(network, policy_name, core, total, vars(predicted))


def _networks() -> Iterator[tuple[str, NetworkSpecification]]:
    cross_entropy: Loss = "softmax_cross_entropy"
    yield "784-32-16-10", Mlp(hidden=(32, 16)).specification((784,), 10, cross_entropy)
    slider = Mlp(hidden=(256, 128, 64, 32), activation="sigmoid")
    yield "2607-256-128-64-32-1", slider.specification((2607,), 1, "binary_cross_entropy")
    yield "LeNet", LeNet().specification((1, 28, 28), 10, cross_entropy)


def _policies() -> Iterator[tuple[str, AnyPolicy]]:
    yield "dense", Dense()
    yield "static 0.1", Static(ratio=0.1)
    yield "adaptive", Adaptive(s_min=0.1, s_max=0.9, zeta=0.5)


def _totals(counted: Counted) -> dict[str, float]:
    costs = counted.parts.values()
    return {quantity: sum(getattr(cost, quantity) for cost in costs) for quantity in ("instructions", "cycles")}


def _errors(prediction: Prediction, counted: Counted, quantity: str) -> Iterator[tuple[str, float]]:
    total = _totals(counted)[quantity]
    yield "step", getattr(prediction.total, quantity) / total - 1
    for phase, cost in prediction.by_phase().items():
        simulated = sum(
            getattr(part, quantity) for name, part in counted.parts.items() if name.rpartition(".")[2] == phase
        )
        if simulated > NEGLIGIBLE * total:
            yield phase, getattr(cost, quantity) / simulated - 1


def _summary(errors: list[float]) -> dict[str, float]:
    sizes = np.abs(errors)
    return {
        "count": len(errors),
        "median": round(float(np.median(sizes)), 4),
        "nine_in_ten": round(float(np.quantile(sizes, 0.9)), 4),
        "worst": round(float(sizes.max()), 4),
    }
