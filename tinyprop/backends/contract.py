"""What trains a network: the contract between the training loop and PyTorch, the C engine or a simulated board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyprop.backends.measurements import Executed, Measurements
from tinyprop.sparse import LayerStatistics


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training gave.

    Attributes:
        loss: mean over the samples, each taken before the update that it took part in.
        layers: statistics of each sparse layer by name, in the order of execution.
        executed: what a microcontroller executed, where the backend is one.
    """

    loss: float
    layers: dict[str, LayerStatistics]
    executed: Executed | None = None


class Backend(Protocol):
    """Trains one network. Same initial weights and same sample order give the same result up to float32 rounding."""

    def train_epoch(
        self,
        epoch: int,
        learning_rate: float,
        x: NDArray[np.float32],
        target: NDArray[Any],
        order: NDArray[np.int64],
        advance: Callable[[float], None],
    ) -> Epoch:
        """Train on the samples ``x[order]``, shape (samples, *input_shape), in that order; the last batch may be short.

        Raises:
            DivergenceError: a loss is not finite.
        """

    def outputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw outputs, shape (samples, outputs), without touching training state."""

    def weights(self) -> dict[str, Tensor]:
        """The plain network's parameters and buffers by name, copied to the CPU."""

    def set_weights(self, weights: dict[str, Tensor]) -> None:
        """Replace parameters and buffers; training state (optimizer, running maxima) stays."""

    def state(self) -> dict[str, Any]:
        """Everything that training goes on from: tensors, numbers and strings in dicts and lists only."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""

    def moments(self) -> dict[str, NDArray[np.float32]]:
        """What the optimizer remembers of each parameter by name: its velocity, or Adam's moments of the gradient's
        square; empty where it remembers nothing."""

    def plain_module(self) -> nn.Module:
        """The trained network as a plain PyTorch module on the CPU, in evaluation mode."""

    def measurements(self) -> Measurements | None:
        """What training takes on a microcontroller, as far as it was trained; None where the backend is none."""
