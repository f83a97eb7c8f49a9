"""The networks that a configuration can name, each a function of the data's shape.

Sources: LeNet and the MLPs are those of Rüb et al. 2023 (arXiv 2308.09201); ResNet-8 is MLPerf Tiny's (Banbury et al.
2021, arXiv 2106.07597); the autoencoder is the baseline of DCASE2020 Task 2 (Koizumi et al. 2020, arXiv 2006.05822).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyprop.errors import require
from tinyprop.models.specification import (
    Activation,
    BatchNorm,
    Conv2d,
    Flatten,
    Layer,
    Linear,
    Loss,
    NetworkSpecification,
    Pool2d,
    Shape,
)

ActivationName = Literal["relu", "sigmoid", "tanh"]


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """Fully connected layers of any widths, each hidden one followed by an activation."""

    name: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = (32, 16)
    activation: ActivationName = "relu"

    def __post_init__(self) -> None:
        require(
            (all(width >= 1 for width in self.hidden), "hidden", f"{list(self.hidden)} has a width under 1"),
            _one_of("activation", self.activation, ("relu", "sigmoid", "tanh")),
        )

    def specification(self, input_shape: Shape, outputs: int, loss: Loss) -> NetworkSpecification:
        layers: list[Layer] = [Flatten()] if len(input_shape) > 1 else []
        width = Flatten().output_shape(input_shape)[0]
        for hidden in self.hidden:
            layers += [Linear(width, hidden), Activation(self.activation)]
            width = hidden
        layers.append(Linear(width, outputs))
        return NetworkSpecification(input_shape, tuple(layers), loss)


@dataclass(frozen=True, kw_only=True)
class LeNet:
    """conv 6 k5, pool, conv 12 k5, pool, fc 120-60-outputs, ReLU: on 28×28 input 192 features are left before fc1."""

    name: Literal["lenet"] = "lenet"

    def specification(self, input_shape: Shape, outputs: int, loss: Loss) -> NetworkSpecification:
        features: list[Layer] = [
            Conv2d(input_shape[0], 6, 5),
            Activation("relu"),
            Pool2d("max", 2),
            Conv2d(6, 12, 5),
            Activation("relu"),
            Pool2d("max", 2),
            Flatten(),
        ]
        return _with_head(input_shape, features, (120, 60), outputs, loss)


@dataclass(frozen=True, kw_only=True)
class CnnSmall:
    """Three stages of conv k3, ReLU, pool, then one hidden linear layer: small enough for a Cortex-M with 320 KB.

    Its head flattens instead of pooling globally: a global mean spreads one gradient over all positions, and a ranking
    of entries that all tie keeps channels by accident.
    """

    name: Literal["cnn_small"] = "cnn_small"
    channels: tuple[int, ...] = (16, 32, 32)
    hidden: int = 64

    def __post_init__(self) -> None:
        require(
            (
                len(self.channels) >= 1 and all(width >= 1 for width in self.channels),
                "channels",
                f"{list(self.channels)} must hold at least one width, none under 1",
            ),
            (self.hidden >= 1, "hidden", f"{self.hidden} is under 1"),
        )

    def specification(self, input_shape: Shape, outputs: int, loss: Loss) -> NetworkSpecification:
        features: list[Layer] = []
        before = input_shape[0]
        for channels in self.channels:
            features += [Conv2d(before, channels, 3, padding=1), Activation("relu"), Pool2d("max", 2)]
            before = channels
        return _with_head(input_shape, [*features, Flatten()], (self.hidden,), outputs, loss)


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """Four wide layers, a narrow one, four wide ones, each with batch norm and ReLU; the output is the input again."""

    name: Literal["autoencoder"] = "autoencoder"
    width: int = 128
    bottleneck: int = 8

    def __post_init__(self) -> None:
        require(
            (self.width >= 1, "width", f"{self.width} is under 1"),
            (self.bottleneck >= 1, "bottleneck", f"{self.bottleneck} is under 1"),
        )

    def specification(self, input_shape: Shape, outputs: int, loss: Loss) -> NetworkSpecification:
        layers: list[Layer] = [Flatten()] if len(input_shape) > 1 else []
        before = Flatten().output_shape(input_shape)[0]
        for width in (*[self.width] * 4, self.bottleneck, *[self.width] * 4):
            layers += [Linear(before, width), BatchNorm(width), Activation("relu")]
            before = width
        layers.append(Linear(before, outputs))
        return NetworkSpecification(input_shape, tuple(layers), loss)


@dataclass(frozen=True, kw_only=True)
class ResNet8:
    """MLPerf Tiny's residual network for 32×32 images: not sequential, so it trains on the PyTorch backend only."""

    name: Literal["resnet8"] = "resnet8"
    channels: tuple[int, int, int] = (16, 32, 64)

    def __post_init__(self) -> None:
        require((min(self.channels) >= 1, "channels", f"{list(self.channels)} has a width under 1"))


SequentialModel = Mlp | LeNet | CnnSmall | Autoencoder
AnyModel = SequentialModel | ResNet8


def _with_head(
    input_shape: Shape, features: list[Layer], hidden: tuple[int, ...], outputs: int, loss: Loss
) -> NetworkSpecification:
    """Convolutional features, then linear layers on what is left of them."""
    width = NetworkSpecification(input_shape, tuple(features), loss).output_shape[0]
    layers = list(features)
    for units in hidden:
        layers += [Linear(width, units), Activation("relu")]
        width = units
    return NetworkSpecification(input_shape, (*layers, Linear(width, outputs)), loss)


def _one_of(field: str, value: str, accepted: tuple[str, ...]) -> tuple[bool, str, str]:
    return value in accepted, field, f"{value!r} is not one of {', '.join(accepted)}"
