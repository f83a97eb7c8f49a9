"""What the backends of the C engine have in common, wherever it runs.

A network is held as two vectors of float32: its weights in the engine's layout, and its training state (running maxima,
momentum, moments). A backend trains from what they hold and leaves the outcome in them; names, layouts, checkpoints,
statistics and evaluation are settled here.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyprop.backends.contract import Epoch
from tinyprop.backends.engine_settings import EngineBackend
from tinyprop.backends.measurements import Measurements
from tinyprop.engine import Description, SelectionSums, WeightLayout, describe, refused_layers
from tinyprop.errors import DivergenceError, RequestError
from tinyprop.models.specification import NetworkSpecification
from tinyprop.sparse import AnyPolicy, LayerStatistics
from tinyprop.training.optimizer import AnyOptimizer

_EVALUATION_BATCH = 1024


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be trained, wherever the engine runs.

    Attributes:
        module: the network in PyTorch, with its initial weights.
        specification: the same network, layer by layer.
    """

    module: nn.Module
    specification: NetworkSpecification
    policy: AnyPolicy
    optimizer: AnyOptimizer
    batch_size: int


@dataclass(frozen=True)
class Samples:
    """Training data as the engine reads it.

    Attributes:
        x: float32, shape (samples, inputs), channels last.
        target: labels, uint32, shape (samples,); of a squared error float32, shape (samples, outputs).
    """

    x: NDArray[np.float32]
    target: NDArray[Any]


@dataclass(frozen=True)
class Trained:
    """What a pass over some samples gave.

    Attributes:
        samples: that were trained on; all of them unless training diverged.
        loss: sum over them, each taken before the update that it took part in.
        statistics: of each trainable layer, from the input on.
        diverged: the loss of the batch after ``samples``, if it is not finite.
    """

    samples: int
    loss: float
    statistics: list[SelectionSums]
    diverged: float | None = None


class EngineTraining(ABC):
    """One network and its training; fulfils `tinyprop.backends.contract.Backend` for whoever can run the engine.

    A subclass has `train` and `training_state`, and may evaluate in a way of its own.

    Attributes:
        description: the network in the engine's words.
        engine_weights: weights and biases in the engine's layout, float32; changed in place, never replaced.
    """

    def __init__(self, task: Task, settings: EngineBackend, *, measure_error: bool):
        """Describe a network to the engine.

        Args:
            measure_error: know the local error of layers that stay dense too.

        Raises:
            RequestError: the engine cannot run it.
        """
        self.description: Description = describe(
            task.specification,
            task.policy,
            task.optimizer,
            batch_size=task.batch_size,
            micro_batch=settings.micro_batch,
            skip_zeros=settings.skip_zeros,
            measure_error=measure_error,
        )
        self._layout = WeightLayout(task.specification)
        self._moments = task.optimizer.state_per_weight
        self._module = task.module.cpu().eval()
        self.engine_weights: NDArray[np.float32] = self._layout.pack(task.module.state_dict())
        self._prepared: tuple[NDArray[np.float32], NDArray[Any], Samples] | None = None

    @abstractmethod
    def train(
        self,
        samples: Samples,
        order: NDArray[np.uint32],
        learning_rate: float,
        advance: Callable[[float], None],
    ) -> Trained:
        """Train on ``order`` of the samples from what `engine_weights` and `training_state` hold, and update both.

        Args:
            advance: to be called with the number of samples, whenever some are done.
        """

    @property
    @abstractmethod
    def training_state(self) -> NDArray[np.float32]:
        """Everything besides the weights that training goes on from, to be read and written in place."""

    def train_epoch(
        self,
        epoch: int,
        learning_rate: float,
        x: NDArray[np.float32],
        target: NDArray[Any],
        order: NDArray[np.int64],
        advance: Callable[[float], None],
    ) -> Epoch:
        trained = self.train(self._samples(x, target), order.astype(np.uint32), learning_rate, advance)
        if trained.diverged is not None:
            batch = self.description.batch_size
            raise DivergenceError(
                f"training diverged: the loss is {trained.diverged} in epoch {epoch + 1}, step "
                f"{trained.samples // batch + 1} of {-(-len(order) // batch)}. "
                f"Lower optimizer.lr (now {learning_rate:g}) or set optimizer.warmup_epochs"
            )
        return Epoch(trained.loss / len(order), layer_statistics(self.description, trained.statistics))

    def outputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        plain, parts = self.plain_module(), []
        with torch.no_grad():
            for start in range(0, len(x), _EVALUATION_BATCH):
                parts.append(plain(torch.from_numpy(x[start : start + _EVALUATION_BATCH])).numpy())
        return np.concatenate(parts)

    def weights(self) -> dict[str, Tensor]:
        named = self._layout.unpack(self.engine_weights)
        return {name: torch.from_numpy(value.copy()) for name, value in named.items()}

    def set_weights(self, weights: dict[str, Tensor]) -> None:
        self.engine_weights[:] = self._layout.pack(weights)

    def state(self) -> dict[str, Any]:
        return {
            "weights": torch.from_numpy(self.engine_weights.copy()),
            "training": torch.from_numpy(self.training_state.copy()),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.engine_weights[:] = state["weights"].numpy()
        self.training_state[:] = state["training"].numpy()

    def moments(self) -> dict[str, NDArray[np.float32]]:
        if not self._moments:
            return {}
        weights = len(self.engine_weights)
        start = 2 + len(self.description.layers) + (self._moments - 1) * weights  # see c/description.h
        return self._layout.unpack(self.training_state[start : start + weights])

    def plain_module(self) -> nn.Module:
        plain = copy.deepcopy(self._module)
        plain.load_state_dict(self.weights())
        return plain

    def measurements(self) -> Measurements | None:
        return None

    def _samples(self, x: NDArray[np.float32], target: NDArray[Any]) -> Samples:
        """The training data as the engine reads it, converted once."""
        if self._prepared is None or self._prepared[0] is not x or self._prepared[1] is not target:
            self._prepared = (x, target, Samples(self._layout.rows(x), self._layout.targets(target)))
        return self._prepared[2]


def require_layers(backend: str, specification: NetworkSpecification, model: str) -> None:
    """Refuse a network with a layer that the engine cannot run.

    Raises:
        RequestError: names the first such layer, the model, and the backend that can.
    """
    for refusal in refused_layers(specification):
        raise RequestError(f"backend={backend} cannot run {refusal} of model={model}; backend=torch can")


def layer_statistics(description: Description, sums: list[SelectionSums]) -> dict[str, LayerStatistics]:
    """The engine's sums as the statistics that every backend reports, by layer; none where nothing was trained on."""
    return {
        layer.name: LayerStatistics(
            steps=found.steps,
            samples=found.samples,
            units=layer.units,
            entries=layer.entries,
            kept=found.kept,
            kept_rows=found.kept_rows,
            ratio=found.ratio / found.samples,
            local_error=found.local_error / found.samples,
            fan_in=layer.fan_in,
            positions=layer.positions if layer.entries == layer.units else 1,
            bias=layer.bias,
            input_gradient=index > 0,
            patches=layer.patches,
            kept_patches=found.kept_patches,
        )
        for index, (layer, found) in enumerate(zip(description.layers, sums, strict=True))
        if found.samples
    }
