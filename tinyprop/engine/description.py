"""A network, its policy and its optimizer as the 32-bit words that the C engine reads; the format is c/description.h's.

Policies and optimizers are told by their ``name``, so that nothing here loads PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyprop.errors import RequestError
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

if TYPE_CHECKING:
    from tinyprop.sparse.policies import AnyPolicy
    from tinyprop.training.optimizer import AnyOptimizer

MAX_OUTPUTS = 65536
"""Of one layer: the engine's indices of kept entries are 16 bits wide."""
MAX_POOL_KERNEL = 15
"""Places in a window are 8 bits wide."""


class Word(IntEnum):
    """Words of the header."""

    MAGIC = 0
    WORDS = 1
    LAYERS = 2
    HEIGHT = 3
    WIDTH = 4
    CHANNELS = 5
    LOSS = 6
    BATCH = 7
    MICRO_BATCH = 8
    POLICY = 9
    POLICY_FLAGS = 10
    RATIO = 11
    K = 12
    S_MIN = 13
    S_RANGE = 14
    SKIP_THRESHOLD = 15
    OPTIMIZER = 16
    MOMENTUM = 17
    BETA1 = 18
    BETA1_REST = 19
    BETA2 = 20
    BETA2_REST = 21
    EPSILON = 22
    WEIGHT_DECAY = 23
    OPTIONS = 24
    BUDGET = 25
    BUDGET_LOG = 26
    HORIZON = 27
    MAX_FACTOR = 28


MAGIC = 0x314E5054
HEADER_WORDS, LAYER_WORDS, WORD_DAMPING = 32, 10, 8
LOSSES: dict[Loss, int] = {"softmax_cross_entropy": 0, "binary_cross_entropy": 1, "mean_squared_error": 2}
POLICIES = {"dense": 0, "static": 1, "meprop": 2, "adaptive": 3, "adaptive_skip": 4, "budget": 5}
BY_CHANNEL, ROUND_DOWN, DENSE_BIAS, DENSE_OUTPUT = 1, 2, 4, 8
OPTIMIZERS = {"sgd": 0, "adam": 1, "adamw": 2}
SKIP_ZEROS, MEASURE_ERROR = 1, 2
LINEAR, CONV2D, RELU, SIGMOID, TANH, MAX_POOL, AVERAGE_POOL, FLATTEN = range(1, 9)
_REASONS = {"random": "its lots are drawn by PyTorch", "scheduled": "one selection for a whole batch"}
_ACTIVATIONS = {"relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}


@dataclass(frozen=True)
class TrainableLayer:
    """What selections in one linear layer or convolution are about.

    Attributes:
        units: output units or channels: rows of the weight matrix.
        fan_in: inputs that one output sees.
        positions: output positions of one unit; 1 in a linear layer.
        entries: n, what one sample's selection chooses among: outputs, or channels where whole ones are kept.
        patches: of a sample, output positions of a convolution, of each group for itself; 0 in a linear layer.
    """

    name: str
    units: int
    fan_in: int
    bias: bool
    positions: int
    entries: int
    patches: int


@dataclass(frozen=True, eq=False)
class Description:
    """A network as the engine reads it.

    Attributes:
        words: uint32.
        inputs, outputs: numbers of one sample.
        layers: the trainable ones, from the input on.
    """

    words: NDArray[np.uint32]
    inputs: int
    outputs: int
    loss: Loss
    batch_size: int
    layers: tuple[TrainableLayer, ...]

    @property
    def forward_macs(self) -> int:
        """Multiply-accumulates of one sample's forward pass."""
        return sum(layer.units * layer.positions * layer.fan_in for layer in self.layers)


def describe(
    specification: NetworkSpecification,
    policy: AnyPolicy,
    optimizer: AnyOptimizer,
    *,
    batch_size: int,
    micro_batch: int | None = None,
    skip_zeros: bool = False,
    measure_error: bool = False,
) -> Description:
    """Put a network and its training into words.

    Args:
        micro_batch: samples held in memory at a time; None is the whole batch, which agrees with PyTorch exactly.
        skip_zeros: do no arithmetic on exact zeros; the results are the same bits.
        measure_error: know the local error of layers that stay dense, too.

    Raises:
        RequestError: the engine cannot run it, or a dense output layer costs all of a budget.
    """
    for refusal in (*refused_settings(policy, optimizer), *refused_layers(specification)):
        raise RequestError(f"the C engine cannot run {refusal}; backend=torch can")
    header = np.zeros(HEADER_WORDS, np.uint32)
    header[Word.MAGIC] = MAGIC
    header[Word.WORDS] = HEADER_WORDS + LAYER_WORDS * len(specification.layers)
    header[Word.LAYERS] = len(specification.layers)
    header[[Word.HEIGHT, Word.WIDTH, Word.CHANNELS]] = _channels_last(specification.input_shape)
    header[Word.LOSS] = LOSSES[specification.loss]
    header[Word.BATCH] = batch_size
    header[Word.MICRO_BATCH] = batch_size if micro_batch is None else micro_batch
    header[Word.OPTIONS] = skip_zeros * SKIP_ZEROS | measure_error * MEASURE_ERROR
    _write_policy(header, policy)
    _write_optimizer(header, optimizer)
    zeta = getattr(policy, "zeta", 1.0)
    by_channel = policy.granularity == "channel"
    trainable = tuple(_trainable_layers(specification, by_channel=by_channel))
    if policy.name == "budget" and not policy.sparsify_output:
        work = [each.units * each.positions * each.fan_in * (2 if i else 1) for i, each in enumerate(trainable)]
        policy.require_affordable(work[-1], sum(work))
    layers = [_layer_words(layer) for layer in specification.layers]
    depth = len(trainable)
    for words in layers:
        if words[0] in (LINEAR, CONV2D):
            depth -= 1
            words[WORD_DAMPING] = _float_word(zeta**depth)
    return Description(
        words=np.concatenate([header, *layers]),
        inputs=math.prod(specification.input_shape),
        outputs=math.prod(specification.output_shape),
        loss=specification.loss,
        batch_size=batch_size,
        layers=trainable,
    )


def refused_settings(policy: AnyPolicy | None, optimizer: AnyOptimizer | None) -> Iterator[str]:
    """Settings that the engine cannot run, each with the reason; None is nothing to refuse, data need not be known."""
    if policy is not None and policy.name not in POLICIES:
        yield f"policy={policy.name} ({_REASONS.get(policy.name) or 'it knows ' + ', '.join(POLICIES)})"
    if optimizer is not None and optimizer.name not in OPTIMIZERS:
        yield f"optimizer={optimizer.name} (it knows {', '.join(OPTIMIZERS)})"
    elif optimizer is not None and getattr(optimizer, "nesterov", False):
        yield "optimizer.nesterov=true (it has plain momentum)"


def refused_layers(specification: NetworkSpecification) -> Iterator[str]:
    """Layers that the engine cannot run, each with the reason."""
    for name, layer, shape in specification.named_layers():
        match layer:
            case BatchNorm():
                yield f"layer {name} (batch norm)"
            case Linear() | Conv2d() if math.prod(shape) > MAX_OUTPUTS:
                yield f"layer {name} ({math.prod(shape)} outputs, over {MAX_OUTPUTS})"
            case Conv2d() if layer.padding >= layer.kernel:
                yield f"layer {name} (padding {layer.padding}, not under its kernel {layer.kernel})"
            case Pool2d() if layer.kernel > MAX_POOL_KERNEL:
                yield f"layer {name} (kernel {layer.kernel}, over {MAX_POOL_KERNEL})"


def _write_policy(header: NDArray[np.uint32], policy: AnyPolicy) -> None:
    header[Word.POLICY] = POLICIES[policy.name]
    header[Word.POLICY_FLAGS] = (
        (policy.granularity == "channel") * BY_CHANNEL
        | (policy.rounding == "floor") * ROUND_DOWN
        | (not policy.sparse_bias) * DENSE_BIAS
        | (not policy.sparsify_output) * DENSE_OUTPUT
    )
    values: Any = policy
    if policy.name == "static":
        header[Word.RATIO] = _float_word(values.ratio)
    elif policy.name == "meprop":
        header[Word.K] = min(values.k, MAX_OUTPUTS)
    elif policy.name == "budget":
        header[Word.BUDGET] = _float_word(values.budget)
        header[Word.BUDGET_LOG] = _float_word(-math.log(values.budget))
        header[Word.HORIZON] = _float_word(values.horizon)
        header[Word.MAX_FACTOR] = _float_word(values.max_factor)
    elif policy.name != "dense":
        header[Word.S_MIN] = _float_word(values.s_min)
        header[Word.S_RANGE] = _float_word(values.s_max - values.s_min)
        header[Word.SKIP_THRESHOLD] = _float_word(getattr(policy, "skip_threshold", 0.0))


def _write_optimizer(header: NDArray[np.uint32], optimizer: AnyOptimizer) -> None:
    header[Word.OPTIMIZER] = OPTIMIZERS[optimizer.name]
    header[Word.WEIGHT_DECAY] = _float_word(optimizer.weight_decay)
    if optimizer.name == "sgd":
        header[Word.MOMENTUM] = _float_word(optimizer.momentum)
        return
    header[Word.BETA1], header[Word.BETA1_REST] = _float_word(optimizer.beta1), _float_word(1 - optimizer.beta1)
    header[Word.BETA2], header[Word.BETA2_REST] = _float_word(optimizer.beta2), _float_word(1 - optimizer.beta2)
    header[Word.EPSILON] = _float_word(optimizer.epsilon)


def _layer_words(layer: Layer) -> NDArray[np.uint32]:
    words = np.zeros(LAYER_WORDS, np.uint32)
    match layer:
        case Linear():
            said = [LINEAR, layer.in_features, layer.out_features]
        case Conv2d():
            geometry = [layer.kernel, layer.stride, layer.padding, layer.groups]
            said = [CONV2D, layer.in_channels, layer.out_channels, *geometry, int(layer.bias)]
        case Pool2d():
            kind = MAX_POOL if layer.kind == "max" else AVERAGE_POOL
            said = [kind, layer.kernel, layer.stride or layer.kernel]
        case Activation(kind=activation):
            said = [_ACTIVATIONS[activation]]
        case Flatten():
            said = [FLATTEN]
        case BatchNorm():
            raise ValueError("the engine has no batch norm")
    words[: len(said)] = said
    return words


def _trainable_layers(specification: NetworkSpecification, *, by_channel: bool) -> Iterator[TrainableLayer]:
    for name, layer, shape in specification.named_layers():
        if isinstance(layer, Linear):
            yield TrainableLayer(name, layer.out_features, layer.in_features, True, 1, layer.out_features, 0)
        elif isinstance(layer, Conv2d):
            fan_in = layer.in_channels // layer.groups * layer.kernel**2
            positions = shape[1] * shape[2]
            entries = shape[0] * (1 if by_channel else positions)
            patches = positions * layer.groups
            yield TrainableLayer(name, shape[0], fan_in, layer.bias, positions, entries, patches)


def _channels_last(shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels; a sample that is no image is 1 × 1 × m."""
    if len(shape) == 3:
        return shape[1], shape[2], shape[0]
    return 1, 1, math.prod(shape)


def _float_word(value: float) -> np.uint32:
    """The bits of the nearest float32."""
    with np.errstate(over="ignore"):
        return np.float32(value).view(np.uint32)
