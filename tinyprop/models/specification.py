"""The network specification that every backend builds from: a sequence of layers, their shapes, and the loss.

Shapes leave out the batch dimension: (features,) or (channels, height, width).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tinyprop.errors import RequestError

Shape = tuple[int, ...]
Loss = Literal["softmax_cross_entropy", "binary_cross_entropy", "mean_squared_error"]


@dataclass(frozen=True)
class Linear:
    """y = W x + b on flat input (in_features,)."""

    in_features: int
    out_features: int

    def output_shape(self, shape: Shape) -> Shape:
        if shape != (self.in_features,):
            raise ValueError(f"takes ({self.in_features},)")
        return (self.out_features,)


@dataclass(frozen=True)
class Conv2d:
    """Cross-correlation on (in_channels, height, width) with a square kernel, zero-padded."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    bias: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[0] != self.in_channels:
            raise ValueError(f"takes ({self.in_channels}, height, width)")
        return (self.out_channels, *_slide(shape[1:], self.kernel, self.stride, self.padding))


@dataclass(frozen=True)
class Pool2d:
    """Maximum or mean over windows of (channels, height, width); windows do not overlap unless stride says so."""

    kind: Literal["max", "average"]
    kernel: int
    stride: int | None = None

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ValueError("takes (channels, height, width)")
        return (shape[0], *_slide(shape[1:], self.kernel, self.stride or self.kernel, 0))


@dataclass(frozen=True)
class Activation:
    """Elementwise."""

    kind: Literal["relu", "sigmoid", "tanh"]

    def output_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class BatchNorm:
    """Normalisation of each feature or channel over the batch."""

    features: int

    def output_shape(self, shape: Shape) -> Shape:
        if shape[0] != self.features:
            raise ValueError(f"takes {self.features} features or channels")
        return shape


@dataclass(frozen=True)
class Flatten:
    """(channels, height, width) to (features,), channel-major."""

    def output_shape(self, shape: Shape) -> Shape:
        total = 1
        for size in shape:
            total *= size
        return (total,)


Layer = Linear | Conv2d | Pool2d | Activation | BatchNorm | Flatten


@dataclass(frozen=True)
class NetworkSpecification:
    """A sequential network for one input shape and one loss.

    Losses take raw outputs: the final softmax or sigmoid belongs to the loss, where it is stable and fused on every
    backend.

    Raises:
        RequestError: two layers, or the first and the input, do not fit together; names the layer.
    """

    input_shape: Shape
    layers: tuple[Layer, ...]
    loss: Loss

    def __post_init__(self) -> None:
        for _ in self.named_layers():
            pass

    def named_layers(self) -> Iterator[tuple[str, Layer, Shape]]:
        """Each layer with its name (``conv1``, ``fc2``, ``relu3``…) and its output shape."""
        counts: dict[str, int] = {}
        shape = self.input_shape
        for layer in self.layers:
            kind = _kind(layer)
            counts[kind] = counts.get(kind, 0) + 1
            name = f"{kind}{counts[kind]}"
            try:
                shape = layer.output_shape(shape)
            except ValueError as problem:
                raise RequestError(
                    f"the network does not fit its data (input {_text(self.input_shape)}): "
                    f"layer {name} {problem}, but is given {_text(shape)}. Choose another model= or dataset=."
                ) from None
            yield name, layer, shape

    @property
    def output_shape(self) -> Shape:
        shape = self.input_shape
        for _, _, shape in self.named_layers():  # noqa: B007
            pass
        return shape


def _slide(size: Shape, kernel: int, stride: int, padding: int) -> Shape:
    after = tuple((side + 2 * padding - kernel) // stride + 1 for side in size)
    if min(after) < 1:
        raise ValueError(f"needs at least {kernel - 2 * padding}×{kernel - 2 * padding} positions")
    return after


def _kind(layer: Layer) -> str:
    match layer:
        case Linear():
            return "fc"
        case Conv2d():
            return "conv"
        case Pool2d():
            return "pool"
        case Activation(kind=kind):
            return kind
        case BatchNorm():
            return "norm"
        case Flatten():
            return "flatten"


def _text(shape: Shape) -> str:
    return "×".join(map(str, shape))
