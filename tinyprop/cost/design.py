"""The trainings that a calibration simulates: networks of every kind that the engine knows, small, and drawn by lot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyprop.cost.layers import layers_of
from tinyprop.cost.simulation import Data
from tinyprop.cost.step import TrainingStep
from tinyprop.engine.weights import WeightLayout
from tinyprop.models.specification import (
    Activation,
    Conv2d,
    Flatten,
    Layer,
    Linear,
    Loss,
    NetworkSpecification,
    Pool2d,
    Shape,
)
from tinyprop.sparse.policies import Adaptive, AnyPolicy, Budget, Dense, MeProp, Static
from tinyprop.training.optimizer import Adam, AdamW, AnyOptimizer, Sgd

_MACS = {True: 60_000, False: 20_000}
"""Multiply-accumulates of a batch's forward pass, at most, with an FPU and without: some million instructions."""
_BATCHES = 28
"""As many as are trained on, so that no sample comes twice."""


@dataclass(frozen=True)
class Training:
    """One training of a design."""

    step: TrainingStep
    data: Data

    @property
    def learning_rate(self) -> float:
        """Small enough for nothing to diverge."""
        return 1e-3 if self.step.optimizer.name != "sgd" else 0.02


def trainings(seed: int, count: int, *, fpu: bool = True) -> Iterator[Training]:
    """So many, decided by the seed; smaller ones without an FPU, where each takes a hundred times as long."""
    rng = np.random.default_rng(seed)
    while count:
        step = _draw_step(rng)
        macs = sum(layer.outputs * layer.length for layer in layers_of(step.specification))
        if 2_000 <= macs * step.batch_size <= _MACS[fpu]:
            count -= 1
            yield Training(step, data_for(step, int(rng.integers(2**32))))


def data_for(step: TrainingStep, seed: int, *, blank: bool | None = None) -> Data:
    """Samples for some batches, and PyTorch's kind of initial weights.

    Args:
        blank: whether samples are like images, much of them exactly zero, in stretches, and nothing negative; None is
            drawn by lot.
    """
    rng = np.random.default_rng(seed)
    specification = step.specification
    count, inputs = _BATCHES * step.batch_size, math.prod(specification.input_shape)
    x = rng.normal(size=(count, inputs)).astype(np.float32)
    if rng.random() < 0.5 if blank is None else blank:
        empty = np.repeat(rng.random((count, -(-inputs // 12))) < 0.6, 12, axis=1)[:, :inputs]
        x = np.abs(x) * ~empty
    outputs = math.prod(specification.output_shape)
    target: NDArray[Any]
    if specification.loss == "mean_squared_error":
        target = rng.normal(size=(count, outputs)).astype(np.float32)
    else:
        target = rng.integers(0, max(2, outputs), count).astype(np.uint32)
    weights = {}
    for name, shape in WeightLayout(specification).shapes.items():
        if name.endswith("weight"):
            bound = 1 / math.sqrt(math.prod(shape[1:]))
        weights[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return Data(x.astype(np.float32), target, weights)


def _draw_step(rng: np.random.Generator) -> TrainingStep:
    batch = int(rng.choice([1, 1, 1, 2, 3, 4, 6, 8]))
    micro = None if batch == 1 or rng.random() < 0.7 else int(rng.integers(1, batch))
    return TrainingStep(
        specification=_draw_network(rng),
        policy=_draw_policy(rng),
        optimizer=_draw_optimizer(rng),
        batch_size=batch,
        micro_batch=micro,
        skip_zeros=bool(rng.random() < 0.25),
    )


def _draw_policy(rng: np.random.Generator) -> AnyPolicy:
    common: dict[str, Any] = {
        "sparsify_output": bool(rng.random() < 0.5),
        "sparse_bias": bool(rng.random() < 0.8),
        "granularity": "channel" if rng.random() < 0.3 else "element",
    }
    match int(rng.integers(7)):
        case 0 | 1:
            return Dense(**common)
        case 2:
            return Adaptive(s_min=0.02, s_max=float(rng.uniform(0.2, 1)), zeta=float(rng.uniform(0.6, 1)), **common)
        case 3:
            return MeProp(k=int(rng.integers(1, 40)), **common)
        case 4:
            return Budget(budget=float(np.exp(rng.uniform(np.log(0.03), np.log(0.6)))), sparsify_output=True)
        case _:
            return Static(ratio=float(np.exp(rng.uniform(np.log(0.02), 0))), **common)


def _draw_optimizer(rng: np.random.Generator) -> AnyOptimizer:
    choices: list[AnyOptimizer] = [
        Sgd(),
        Sgd(),
        Sgd(),
        Sgd(weight_decay=1e-3),
        Sgd(momentum=0.9),
        Sgd(momentum=0.9, weight_decay=1e-3),
        Adam(),
        Adam(weight_decay=1e-3),
        AdamW(),
    ]
    return choices[int(rng.integers(len(choices)))]


def _draw_network(rng: np.random.Generator) -> NetworkSpecification:
    layers: list[Layer] = []
    shape: Shape = (_between(rng, 3, 400),)
    if rng.random() < 0.6:
        shape = (int(rng.integers(1, 5)), int(rng.integers(4, 17)), int(rng.integers(4, 17)))
    given = shape
    for _ in range(int(rng.integers(1, 3))):
        if len(shape) == 3:
            for layer in _draw_stage(rng, shape):
                layers.append(layer)
                shape = layer.output_shape(shape)
    if len(shape) == 3:
        layers.append(Flatten())
        shape = layers[-1].output_shape(shape)
    for _ in range(int(rng.integers(0, 3))):
        width = _between(rng, 2, 150)
        layers += [Linear(shape[0], width), _draw_activation(rng)]
        shape = (width,)
    losses: tuple[Loss, ...] = ("softmax_cross_entropy",) * 3 + ("mean_squared_error", "binary_cross_entropy")
    loss = losses[int(rng.integers(len(losses)))]
    outputs = 1 if loss == "binary_cross_entropy" else _between(rng, 3, 40)
    return NetworkSpecification(given, (*layers, Linear(shape[0], outputs)), loss)


def _draw_stage(rng: np.random.Generator, shape: Shape) -> list[Layer]:
    """A convolution, an activation, and often a pool before or behind it."""
    side = min(shape[1:])
    kernel = int(rng.integers(1, min(5, side) + 1))
    groups = int(rng.choice([g for g in (1, 1, 1, 2, 4, shape[0]) if shape[0] % g == 0]))
    channels = groups * int(rng.integers(1, 3 if groups > 1 else 17))
    convolution = Conv2d(
        shape[0],
        channels,
        kernel,
        stride=int(rng.choice([1, 1, 2])),
        padding=int(rng.integers(0, kernel)),
        groups=groups,
        bias=bool(rng.random() < 0.8),
    )
    stage: list[Layer] = [convolution, _draw_activation(rng)]
    side = min(convolution.output_shape(shape)[1:])
    if rng.random() < 0.7 and side >= 2:
        pool = Pool2d("max" if rng.random() < 0.7 else "average", int(rng.integers(2, min(3, side) + 1)))
        stage.insert(int(rng.integers(1, 3)), pool)
    return stage


def _draw_activation(rng: np.random.Generator) -> Activation:
    return Activation("relu" if rng.random() < 0.6 else "tanh" if rng.random() < 0.5 else "sigmoid")


def _between(rng: np.random.Generator, low: int, high: int) -> int:
    """As often between 4 and 8 as between 40 and 80."""
    return round(math.exp(rng.uniform(math.log(low), math.log(high))))
