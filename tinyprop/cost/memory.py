"""Memory that training takes on a 32-bit core: what c/survey.c and c/arena.c lay out, added up the same way.

Exact to the byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyprop.cost.layers import LayerGeometry, layers_of
from tinyprop.cost.load import LANES
from tinyprop.cost.step import TrainingStep
from tinyprop.engine.host import Memory
from tinyprop.errors import RequestError

NETWORK_BYTES, LAYER_BYTES = 196, 168
"""``sizeof`` tp_network and tp_layer of c/network.h, with pointers of 32 bits."""
MOST_FLOATS = 0x0FFFFFFF
"""``TP_MAX_FLOATS`` of c/tinyprop.h."""
_WORD = 4


class _Arena:
    """Adds up pieces with their alignment: ``carve`` of c/arena.c."""

    def __init__(self, used: int):
        self.used = used

    def take(self, *pieces: tuple[int, int]) -> int:
        """Bytes that so many pieces of such a size take together."""
        before = self.used
        for count, size in pieces:
            alignment = min(size, _WORD)
            self.used = -(-self.used // alignment) * alignment + count * size
        return self.used - before


def engine_memory(step: TrainingStep) -> Memory:
    """What the engine asks for on a 32-bit core: the answer of ``tp_measure``.

    Raises:
        RequestError: it is more than the engine can count.
    """
    layers = layers_of(step.specification)
    trainable = [layer for layer in layers if layer.trainable]
    samples = step.micro_batch or step.batch_size
    weights = sum(layer.weights for layer in trainable)
    moments = 2 if step.optimizer.name != "sgd" else int(step.momentum > 0)
    waiting = [layer.weights for layer in trainable if waits(step, layer)]
    patch = max((layer.length for layer in trainable if layer.kind == "conv2d"), default=0)
    skipping = step.skip_zeros
    runs = sum(_runs(layer) for layer in trainable if layer.kind == "linear") * skipping
    patch_runs = max((_runs(layer) for layer in trainable if layer.kind == "conv2d"), default=0) * skipping
    pointers = max(samples, 1 if patch else 0)
    kept = [_most_kept(step, layer) for layer in trainable]
    outputs = sum(layer.outputs for layer in layers if not layer.in_place)
    places = sum(layer.outputs for layer in layers if layer.kind == "max_pool")
    flow = flow_of(layers)
    threshold = 3 if step.policy.name == "budget" else 0
    state = 2 + len(trainable) + moments * weights + threshold
    arena = _Arena(NETWORK_BYTES + LAYER_BYTES * len(layers))
    memory = Memory(
        weights=_WORD * weights,
        network=arena.used,
        optimizer=arena.take((state, _WORD)),
        gradients=arena.take(((max if step.is_whole_batch else sum)(waiting) if waiting else 0, _WORD)),
        activations=arena.take(
            (outputs * samples, _WORD),
            (runs * samples, _WORD),
            (len(trainable) * samples if runs else 0, _WORD),
            (places * samples, 1),
        ),
        scratch=arena.take(
            (samples + 2 * pointers, _WORD),  # pointers to inputs, x, y
            (sum(flow) * samples, _WORD),
            (2 * samples, _WORD),  # kept, local_error
            (max(ranked for _, ranked, _ in kept), _WORD),
            (max(norm for _, _, norm in kept), _WORD),
            (patch, _WORD),
            (patch_runs, _WORD),
            (max(most for most, _, _ in kept) * samples, 2),
            (samples, 1),  # skipped
            (sum(layer.rows for layer in trainable), 1),  # touched
            (0, _WORD),
        ),
        arena=arena.used,
        state=state,
    )
    _require_countable(step, layers, weights, memory.arena)
    return memory


def _require_countable(step: TrainingStep, layers: tuple[LayerGeometry, ...], weights: int, arena: int) -> None:
    samples = step.micro_batch or step.batch_size
    for layer in layers:
        if layer.outputs * samples > MOST_FLOATS or layer.length // LANES > 0xFFFF:
            raise RequestError(
                f"layer {layer.name}: {layer.outputs} outputs of {samples} samples, {layer.length} inputs a unit: more "
                f"than the engine can count ({MOST_FLOATS} numbers in an array, {LANES * 0x10000 - 1} inputs)"
            )
    if weights > MOST_FLOATS or arena > _WORD * MOST_FLOATS:
        raise RequestError(f"{weights} weights and {arena} bytes beside them are more than the engine can count")


def waits(step: TrainingStep, layer: LayerGeometry) -> bool:
    """Whether an update waits for a gradient that is summed up: ``tp_waits`` of c/plan.h."""
    if step.optimizer.name == "sgd":
        return step.momentum == 0 and (not step.is_whole_batch or layer.kind == "conv2d")
    return step.batch_size > 1 or layer.kind == "conv2d"


def _runs(layer: LayerGeometry) -> int:
    return layer.length // (2 * LANES) + 1


def flow_of(layers: tuple[LayerGeometry, ...]) -> list[int]:
    """Numbers a sample of the two buffers of output gradients: ``tp_survey`` of c/survey.c."""
    turning = [
        layer.gives_input_gradient and (layer.trainable or layer.kind in ("max_pool", "average_pool"))
        for layer in layers
    ]
    flow, side = [0, 0], sum(turning) % 2
    first = next(index for index, layer in enumerate(layers) if layer.trainable)
    for index, layer in enumerate(layers):
        if turning[index]:
            flow[side] = max(flow[side], layer.inputs)
            side ^= 1
        if index >= first:
            flow[side] = max(flow[side], layer.outputs)
    return flow


def _most_kept(step: TrainingStep, layer: LayerGeometry) -> tuple[int, int, int]:
    """Room for indices, for ranking and for norms of channels: ``settle_selection`` of c/survey.c."""
    policy = step.policy
    by_channel = policy.granularity == "channel" and layer.kind == "conv2d"
    ranked = layer.rows if by_channel else layer.outputs
    if policy.name == "dense" or (layer.depth == 0 and not policy.sparsify_output):
        return layer.outputs if step.skip_zeros else 0, 0, 0
    if policy.name == "budget":
        return layer.outputs, 0, 0
    if policy.name == "meprop":
        count = min(policy.k, ranked)
    else:
        half = 0.0 if policy.rounding == "floor" else 0.5
        count = int(np.float32(_largest_ratio(step, layer)) * np.float32(ranked) + np.float32(half))
        count = min(max(count, 1), ranked)
    return count * (layer.outputs // ranked), ranked, ranked if ranked != layer.outputs else 0


def _largest_ratio(step: TrainingStep, layer: LayerGeometry) -> np.float32:
    policy: Any = step.policy
    if policy.name == "static":
        return np.float32(policy.ratio)
    undamped = np.float32(policy.s_min) + np.float32(policy.s_max - policy.s_min)
    return np.clip(undamped * np.float32(policy.zeta**layer.depth), np.float32(0), np.float32(1))
