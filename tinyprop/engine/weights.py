"""Weights by PyTorch's names and in PyTorch's order, and the engine's flat vector of the same numbers.

PyTorch has channels first, the engine last. Whatever is laid out along a feature map is reordered: samples, weights of
convolutions, the columns of the linear layer behind a flattened feature map, and outputs that are a feature map. Every
reordering is a permutation, so nothing is lost in either direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyprop.errors import DataError, RequestError
from tinyprop.models.specification import Conv2d, Linear, NetworkSpecification, Shape


class WeightLayout:
    """How one network's numbers are laid out on either side.

    Attributes:
        shapes: PyTorch's names of the weights and biases, such as ``fc1.weight``, with their shapes, in order.
        size: weights and biases of the network.
    """

    def __init__(self, specification: NetworkSpecification):
        self.shapes: dict[str, Shape] = {}
        self.size = 0
        parts: list[NDArray[np.int64]] = []
        order = self._input_order = channels_last_order(specification.input_shape)
        for name, layer, shape in specification.named_layers():
            if isinstance(layer, Linear):
                places = self._places(f"{name}.weight", (layer.out_features, layer.in_features))
                parts += [places[:, order], self._places(f"{name}.bias", (layer.out_features,))]
                order = np.arange(layer.out_features)
            elif isinstance(layer, Conv2d):
                side = (layer.kernel, layer.kernel)
                weights = self._places(f"{name}.weight", (shape[0], layer.in_channels // layer.groups, *side))
                parts.append(weights.transpose(0, 2, 3, 1))
                if layer.bias:
                    parts.append(self._places(f"{name}.bias", (shape[0],)))
            if len(shape) == 3:
                order = channels_last_order(shape)
        self._output_order = order
        if not parts:
            raise RequestError("the network has no layer with weights to train")
        self._order = np.concatenate([part.ravel() for part in parts])

    def pack(self, weights: Mapping[str, Any]) -> NDArray[np.float32]:
        """The engine's vector, shape (size,), of arrays or CPU tensors by name.

        Raises:
            ValueError: a name is missing or too many, or a shape differs; names it.
        """
        arrays = {name: np.asarray(value, np.float32) for name, value in weights.items()}
        found = {name: array.shape for name, array in arrays.items()}
        for name in self.shapes | found:
            if self.shapes.get(name) != found.get(name):
                raise ValueError(f"{name}: shape {found.get(name, 'none')}, not {self.shapes.get(name, 'none')}")
        flat: NDArray[np.float32] = np.concatenate([arrays[name].ravel() for name in self.shapes])
        return np.take(flat, self._order)

    def unpack(self, vector: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Copies of the weights and biases by name; the inverse of `pack`."""
        flat = np.empty_like(vector)
        flat[self._order] = vector
        named, start = {}, 0
        for name, shape in self.shapes.items():
            end = start + int(np.prod(shape))
            named[name] = flat[start:end].reshape(shape)
            start = end
        return named

    def rows(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Samples, shape (samples, *input_shape), as the engine reads them, shape (samples, inputs)."""
        return _reordered(x, self._input_order)

    def targets(self, targets: NDArray[Any]) -> NDArray[Any]:
        """What the engine's outputs are to be: labels, uint32, of integer labels; else float32 (samples, outputs).

        Raises:
            DataError: a label is no place of outputs that are a feature map; of others the engine itself refuses it.
        """
        if not np.issubdtype(targets.dtype, np.integer):
            return _reordered(targets, self._output_order)
        if _is_identity(self._output_order):
            return targets.astype(np.uint32)
        if targets.size and not 0 <= targets.min() <= targets.max() < len(self._output_order):
            raise DataError("a label is no class of the network")
        places = np.empty(len(self._output_order), np.uint32)
        places[self._output_order] = np.arange(len(places))
        return np.take(places, targets)

    def outputs(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The engine's outputs, shape (samples, outputs), in PyTorch's order."""
        if _is_identity(self._output_order):
            return rows
        outputs = np.empty_like(rows)
        outputs[:, self._output_order] = rows
        return outputs

    def _places(self, name: str, shape: Shape) -> NDArray[np.int64]:
        """The next array by name: where each of its numbers stands among all of PyTorch's, in its own shape."""
        size = int(np.prod(shape))
        places = np.arange(self.size, self.size + size).reshape(shape)
        self.shapes[name] = shape
        self.size += size
        return places


def channels_last_order(shape: Shape) -> NDArray[np.int64]:
    """For each number of a sample in the engine's order its place in PyTorch's; other samples than images stay."""
    places = np.arange(int(np.prod(shape)))
    return places.reshape(shape).transpose(1, 2, 0).ravel() if len(shape) == 3 else places


def _reordered(samples: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    flat = np.ascontiguousarray(samples, np.float32).reshape(len(samples), -1)
    return flat if _is_identity(order) else np.ascontiguousarray(flat[:, order])


def _is_identity(order: NDArray[np.int64]) -> bool:
    return bool((order == np.arange(len(order))).all())
