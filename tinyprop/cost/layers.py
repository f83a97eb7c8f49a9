"""The layers of a network as the C engine walks over them: sizes, patches, and what is written in place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from tinyprop.engine.description import refused_layers
from tinyprop.errors import RequestError
from tinyprop.models.specification import Activation, Conv2d, Layer, Linear, NetworkSpecification, Pool2d, Shape

Kind = Literal["linear", "conv2d", "relu", "sigmoid", "tanh", "max_pool", "average_pool", "flatten"]


@dataclass(frozen=True)
class Patches:
    """What gathering the patches of one sample and one group of a convolution touches, over all positions.

    Attributes:
        whole: patches that lie within the image and see all channels; the others are put together piece by piece.
        rows, rows_of_whole: kernel rows within the image, of all patches and of whole ones.
        taps: kernel places within the image.
        copied: numbers within the image.
        quads, singles: how they are copied, four at a time and one by one.
        zeroed: numbers outside it.
    """

    whole: int = 0
    rows: int = 0
    rows_of_whole: int = 0
    taps: int = 0
    copied: int = 0
    quads: int = 0
    singles: int = 0
    zeroed: int = 0


@dataclass(frozen=True)
class LayerGeometry:
    """One layer for one sample. Attributes from ``rows`` on are 0 where the layer has no weights.

    Attributes:
        inputs, outputs: numbers of one sample.
        channels: of the input.
        windows: output positions of a convolution or pool, all channels of which are counted once.
        kernel: side of a convolution's or pool's window.
        covered: share of the input's positions that any window sees.
        in_place: an activation that overwrites its input, or a flatten.
        gives_input_gradient: whether the backward pass goes on through it.
        rows, length: of the weight matrix: output units or channels, and the inputs that one of them sees.
        biases: 0 or rows.
        depth: trainable layers between this one and the output.
        gathered: patches are copied, for they do not lie in the image as they are.
    """

    name: str
    kind: Kind
    inputs: int
    outputs: int
    channels: int = 0
    windows: int = 1
    kernel: int = 1
    covered: float = 1.0
    in_place: bool = False
    gives_input_gradient: bool = False
    rows: int = 0
    length: int = 0
    biases: int = 0
    groups: int = 1
    depth: int = 0
    gathered: bool = False
    patches: Patches = Patches()

    @property
    def trainable(self) -> bool:
        """Whether it has weights."""
        return self.rows > 0

    @property
    def weights(self) -> int:
        """Weights and biases."""
        return self.rows * self.length + self.biases


@lru_cache(maxsize=256)
def layers_of(specification: NetworkSpecification) -> tuple[LayerGeometry, ...]:
    """All layers in order.

    Raises:
        RequestError: the engine cannot run the network; says which layer and why.
    """
    for refusal in refused_layers(specification):
        raise RequestError(f"no cost is known for {refusal}: the C engine cannot run it; backend=torch can")
    kinds = [_kind(layer) for layer in specification.layers]
    trainable = [index for index, kind in enumerate(kinds) if kind in ("linear", "conv2d")]
    if not trainable:
        raise RequestError("the network has no layer with weights to train")
    found: list[LayerGeometry] = []
    shape, may_overwrite = specification.input_shape, False
    for index, (name, layer, after) in enumerate(specification.named_layers()):
        is_activation = isinstance(layer, Activation)
        in_place = kinds[index] == "flatten" or (is_activation and may_overwrite)
        if kinds[index] != "flatten":
            may_overwrite = not is_activation
        found.append(
            LayerGeometry(
                name=name,
                kind=kinds[index],
                inputs=math.prod(shape),
                outputs=math.prod(after),
                in_place=in_place,
                gives_input_gradient=index > trainable[0],
                depth=sum(other > index for other in trainable),
                **_windows(layer, shape, after),
            )
        )
        shape = after
    return tuple(found)


def _kind(layer: Layer) -> Kind:
    match layer:
        case Linear():
            return "linear"
        case Conv2d():
            return "conv2d"
        case Activation(kind=activation):
            return activation
        case Pool2d(kind="max"):
            return "max_pool"
        case Pool2d():
            return "average_pool"
        case _:
            return "flatten"


def _windows(layer: Layer, shape: Shape, after: Shape) -> dict[str, Any]:
    match layer:
        case Linear():
            return {"rows": layer.out_features, "length": layer.in_features, "biases": layer.out_features}
        case Conv2d():
            each = layer.in_channels // layer.groups
            is_whole_row = layer.kernel in (1, shape[2])
            return {
                "channels": shape[0],
                "windows": after[1] * after[2],
                "kernel": layer.kernel,
                "covered": _covered(shape, after, layer.kernel, layer.stride, layer.padding),
                "rows": layer.out_channels,
                "length": layer.kernel**2 * each,
                "biases": layer.out_channels if layer.bias else 0,
                "groups": layer.groups,
                "gathered": layer.groups > 1 or layer.padding > 0 or not is_whole_row,
                "patches": _patches(layer, shape, after, each),
            }
        case Pool2d():
            return {
                "channels": shape[0],
                "windows": after[1] * after[2],
                "kernel": layer.kernel,
                "covered": _covered(shape, after, layer.kernel, layer.stride or layer.kernel, 0),
            }
        case _:
            return {}


def _patches(layer: Conv2d, shape: Shape, after: Shape, channels: int) -> Patches:
    rows, columns = (
        [_inside(position * layer.stride - layer.padding, layer.kernel, side) for position in range(positions)]
        for side, positions in zip(shape[1:], after[1:], strict=True)
    )
    pieces = columns if layer.groups == 1 else [1] * sum(columns)  # of one kernel row, in places
    whole = rows.count(layer.kernel) * columns.count(layer.kernel) if layer.groups == 1 else 0
    copied = sum(rows) * sum(columns) * channels
    return Patches(
        whole=whole,
        rows=sum(rows) * len(columns),
        rows_of_whole=whole * layer.kernel,
        taps=sum(rows) * sum(columns),
        copied=copied,
        quads=sum(rows) * sum(piece * channels // 4 for piece in pieces),
        singles=sum(rows) * sum(piece * channels % 4 for piece in pieces),
        zeroed=len(rows) * len(columns) * layer.kernel**2 * channels - copied,
    )


def _covered(shape: Shape, after: Shape, kernel: int, stride: int, padding: int) -> float:
    share = 1.0
    for side, positions in zip(shape[1:], after[1:], strict=True):
        reach = min(side, (positions - 1) * stride - padding + kernel)
        share *= (reach if stride <= kernel else positions * kernel) / side
    return min(1.0, share)


def _inside(start: int, kernel: int, side: int) -> int:
    """Of a window's side, how many places lie within the image."""
    return max(0, min(start + kernel, side) - max(start, 0))
