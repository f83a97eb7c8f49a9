"""What is assumed of numbers that nobody has measured: which are zero, and which positions a gradient comes back to."""

from __future__ import annotations

from tinyprop.cost.layers import LayerGeometry
from tinyprop.cost.step import TrainingStep

LARGE_TANH = 0.5546
"""tanh(5/8): from there on c/kernels/tanh.c takes its longer way."""
LARGE_OUTPUTS = 0.2
"""Share of a tanh's outputs that are so large."""
_ZERO_BEHIND_RELU = 0.5


def zero_inputs(layers: tuple[LayerGeometry, ...], index: int) -> float:
    """Share of zeros in a layer's input, by what is in front of it."""
    power = 1
    for before in reversed(layers[:index]):
        if before.kind in ("max_pool", "average_pool"):
            power *= before.kernel
        elif before.kind == "relu":
            return _ZERO_BEHIND_RELU**power
        elif before.kind != "flatten":
            break
    return 0.0


def zero_gradients(
    layers: tuple[LayerGeometry, ...],
    index: int,
    returned: float,
    zeros_behind: float | None = None,
    *,
    of_living_channels: bool = False,
) -> float:
    """Share of zeros in a layer's output gradient, by what is behind it.

    Args:
        returned: see `reached_positions`.
        zeros_behind: share of zeros in the input of the next layer with weights; None is assumed.
        of_living_channels: of channels alone whose units a ReLU lets through.
    """
    nonzero, power, averaged, behind_relu = reached_positions(layers, index, returned), 1, 1, False
    for after in layers[index + 1 :]:
        if after.trainable:
            break
        behind_relu |= after.kind == "relu" and not of_living_channels
        if after.kind == "max_pool":
            nonzero *= min(1.0, after.outputs / (after.inputs * after.covered))
            power *= after.kernel
        elif after.kind == "average_pool" and behind_relu:
            averaged *= after.kernel
    if not behind_relu:
        return 1 - nonzero
    silent = _ZERO_BEHIND_RELU**power if zeros_behind is None else zeros_behind
    if averaged > 1:  # an average hides zeros
        silent = max(silent ** (1 / averaged), _ZERO_BEHIND_RELU**power)
    return 1 - nonzero * (1 - silent)


def zeros_behind(step: TrainingStep, layers: tuple[LayerGeometry, ...], index: int) -> float | None:
    """Share of zeros that was measured in the input of the next layer with weights behind this one, if it was."""
    after = next((layer for layer in layers[index + 1 :] if layer.trainable), None)
    known = None if after is None else step.activity.get(after.name)
    return None if known is None else known.zero_inputs


def zeros_kept(step: TrainingStep, layers: tuple[LayerGeometry, ...], index: int) -> float:
    """Share of zeros in an activation's or a pool's input that those measured behind it tell of: what is zero behind a
    tanh or an average was zero in front of it."""
    for after in layers[index:]:
        if after.trainable:
            return zeros_behind(step, layers, index) or 0.0
        if after.kind not in ("tanh", "average_pool", "flatten"):
            break
    return 0.0


def reached_positions(layers: tuple[LayerGeometry, ...], index: int, returned: float) -> float:
    """Share of a layer's positions that a gradient comes back to.

    Args:
        returned: of the input positions of the next layer with weights, the share that it returns a gradient to.
    """
    for after in layers[index + 1 :]:
        if after.trainable:
            break
        returned *= after.covered
    return returned


def returned_positions(layer: LayerGeometry, reached: float) -> float:
    """Share of a layer's input positions that it returns a gradient to.

    Args:
        reached: share of its output positions with an entry of the gradient to work on.
    """
    if layer.kind == "linear":
        return 1.0
    seen_by = layer.windows * layer.kernel**2 * layer.channels / (layer.inputs * layer.covered)
    return layer.covered * (1 - float((1 - min(1.0, reached)) ** max(1.0, seen_by)))


def alike(layers: tuple[LayerGeometry, ...], index: int, nonzero: float) -> float:
    """How many entries of a layer's output gradient have the same value, on average over the values that are not zero.

    An average pool spreads each of its gradients evenly over a window. A ReLU in front of it lets a part of them
    through; sigmoid and tanh multiply each by a slope of its own.

    Args:
        nonzero: share of the gradient that is not zero.
    """
    silenced = False
    for after in layers[index + 1 :]:
        if after.trainable or after.kind in ("sigmoid", "tanh"):
            break
        silenced |= after.kind == "relu"
        if after.kind == "average_pool":
            window = after.kernel**2
            if not silenced:
                return float(window)
            living = max(nonzero, 1 - _ZERO_BEHIND_RELU)  # of a window; others may have got no gradient at all
            return window * living / (1 - float((1 - living) ** window))
    return 1.0
