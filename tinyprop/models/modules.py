"""PyTorch modules from specifications, with PyTorch's own initial weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tinyprop.errors import RequestError
from tinyprop.models.presets import AnyModel, ResNet8
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

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def build(model: AnyModel, input_shape: Shape, outputs: int, loss: Loss, *, seed: int) -> nn.Module:
    """The module of a model, its weights decided by the seed alone.

    Args:
        input_shape: of one sample.
        outputs: numbers that the network puts out: classes, 1 for a binary decision, inputs of a reconstruction.

    Raises:
        RequestError: the model does not fit the data.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(model, ResNet8):
            return _ResNet8(model, input_shape, outputs)
        return sequential(model.specification(input_shape, outputs, loss))


def sequential(specification: NetworkSpecification) -> nn.Sequential:
    """The specification as an `nn.Sequential` whose children carry the specification's layer names."""
    module = nn.Sequential()
    shape = specification.input_shape
    for name, layer, after in specification.named_layers():
        module.add_module(name, _module(layer, shape))
        shape = after
    return module


def _module(layer: Layer, shape: Shape) -> nn.Module:
    match layer:
        case Linear():
            return nn.Linear(layer.in_features, layer.out_features)
        case Conv2d():
            return nn.Conv2d(
                layer.in_channels,
                layer.out_channels,
                layer.kernel,
                layer.stride,
                layer.padding,
                groups=layer.groups,
                bias=layer.bias,
            )
        case Pool2d(kind="max"):
            return nn.MaxPool2d(layer.kernel, layer.stride)
        case Pool2d():
            return nn.AvgPool2d(layer.kernel, layer.stride)
        case Activation(kind=kind):
            return _ACTIVATIONS[kind]()
        case BatchNorm():
            return nn.BatchNorm1d(layer.features) if len(shape) == 1 else nn.BatchNorm2d(layer.features)
        case Flatten():
            return nn.Flatten()


class _Block(nn.Module):
    """Two 3×3 convolutions with batch norm beside a shortcut, which is a 1×1 convolution where the shape changes."""

    def __init__(self, before: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride, 1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Identity() if before == channels else nn.Conv2d(before, channels, 1, stride)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class _ResNet8(nn.Module):
    """Input (B, channels, height, width), output (B, outputs)."""

    def __init__(self, model: ResNet8, input_shape: Shape, outputs: int):
        super().__init__()
        if len(input_shape) != 3 or min(input_shape[1:]) < 8:
            shape = "×".join(map(str, input_shape))
            raise RequestError(f"resnet8 takes images of at least 8×8, not {shape}. Choose another model= or dataset=.")
        first, second, third = model.channels
        self.conv = nn.Conv2d(input_shape[0], first, 3, 1, 1)
        self.norm = nn.BatchNorm2d(first)
        self.block1 = _Block(first, first, 1)
        self.block2 = _Block(first, second, 2)
        self.block3 = _Block(second, third, 2)
        self.fc = nn.Linear(third, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.conv(x)))
        y = self.block3(self.block2(self.block1(y)))
        return self.fc(y.mean(dim=(2, 3)))  # type: ignore[no-any-return]
