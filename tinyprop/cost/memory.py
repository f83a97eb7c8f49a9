"""Memory that training takes on a 32-bit core: what c/survey.c and c/arena.c lay out, added up the same way.

Bytes are exact for what the engine allocates. Stack and code are those of the simulated firmware.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyprop.cost.coefficients import Coefficients, coefficients_of
from tinyprop.cost.layers import LayerGeometry, layers_of
from tinyprop.cost.load import LANES
from tinyprop.cost.step import TrainingStep
from tinyprop.cost.target import Target
from tinyprop.engine.description import HEADER_WORDS, LAYER_WORDS
from tinyprop.engine.host import Memory
from tinyprop.errors import RequestError

NETWORK_BYTES, LAYER_BYTES = 152, 164
"""``sizeof`` tp_network and tp_layer of c/network.h, with pointers of 32 bits."""
MOST_FLOATS = 0x0FFFFFFF
"""``TP_MAX_FLOATS`` of c/tinyprop.h."""
_WORD = 4


@dataclass(frozen=True)
class Footprint:
    """Bytes of RAM and flash by use, and whether a part has them.

    Attributes:
        ram: ``samples`` is the input of one micro-batch, ``static`` the program's own data, ``stack`` the most that was
            seen in simulation.
        flash: ``weights`` are the initial ones.
    """

    target: Target
    ram: Mapping[str, int]
    flash: Mapping[str, int]

    @property
    def ram_spare(self) -> int:
        """Bytes of the target's SRAM that stay free; under 0 it does not fit."""
        return self.target.sram_bytes - sum(self.ram.values())

    @property
    def flash_spare(self) -> int:
        """Bytes of the target's flash that stay free; under 0 it does not fit."""
        return self.target.flash_bytes - sum(self.flash.values())

    @property
    def fits(self) -> bool:
        """Whether both suffice."""
        return self.ram_spare >= 0 and self.flash_spare >= 0

    @property
    def lacking(self) -> list[str]:
        """What does not fit and by how much, in words."""
        return [
            f"{-spare} bytes of {kind} more than the {size} of {self.target.name}"
            for kind, spare, size in (
                ("SRAM", self.ram_spare, self.target.sram_bytes),
                ("flash", self.flash_spare, self.target.flash_bytes),
            )
            if spare < 0
        ]

    def as_dict(self) -> dict[str, Any]:
        """Flat, under the keys of `tinyprop.backends.measurements.Measurements.as_dict`."""
        return {
            **{f"ram.{use}": size for use, size in self.ram.items()},
            "ram.total": sum(self.ram.values()),
            "ram.spare": self.ram_spare,
            "ram.fits": self.ram_spare >= 0,
            **{f"flash.{use}": size for use, size in self.flash.items()},
            "flash.total": sum(self.flash.values()),
            "flash.spare": self.flash_spare,
            "flash.fits": self.flash_spare >= 0,
        }


def footprint(step: TrainingStep, target: Target, *, coefficients: Coefficients | None = None) -> Footprint:
    """What training takes of a part's memory.

    Raises:
        RequestError: the engine cannot hold the network, or nothing is known of the target's core.
    """
    firmware = coefficients or coefficients_of(target.core)
    memory = engine_memory(step)
    inputs = math.prod(step.specification.input_shape)
    outputs = math.prod(step.specification.output_shape)
    targets = outputs if step.specification.loss == "mean_squared_error" else 1
    uses = ("weights", "gradients", "optimizer", "activations", "scratch", "network")
    return Footprint(
        target,
        ram={
            **{use: getattr(memory, use) for use in uses},
            "samples": _WORD * (step.micro_batch or step.batch_size) * (inputs + targets),
            "stack": firmware.stack,
            "static": firmware.static,
        },
        flash={
            "code": firmware.code,
            "constants": firmware.constants,
            "description": _WORD * (HEADER_WORDS + LAYER_WORDS * len(step.specification.layers)),
            "weights": memory.weights,
        },
    )


class _Arena:
    """Adds up pieces with their alignment: ``carve`` of c/arena.c."""

    def __init__(self, used: int):
        self.used = used

    def take(self, *pieces: tuple[int, int]) -> int:
        """Bytes that so many pieces of such a size take together."""
        before = self.used
        for count, size in pieces:
            alignment = 1 if size < _WORD else _WORD
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
    moments = 2 if step.optimizer.name != "sgd" else int(step.optimizer.momentum > 0)
    waiting = [layer.weights for layer in trainable if _waits(step, layer)]
    patch = max((layer.length for layer in trainable if layer.kind == "conv2d"), default=0)
    skipping = step.skip_zeros
    runs = sum(_runs(layer) for layer in trainable if layer.kind == "linear") * skipping
    patch_runs = max((_runs(layer) for layer in trainable if layer.kind == "conv2d"), default=0) * skipping
    pointers = max(samples, 1 if patch else 0)
    kept = [_most_kept(step, layer) for layer in trainable]
    outputs = sum(layer.outputs for layer in layers if not layer.in_place)
    places = sum(layer.outputs for layer in layers if layer.kind == "max_pool")
    flow = flow_of(layers)
    state = 2 + len(trainable) + moments * weights
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
                f"layer {layer.name}: {layer.outputs} outputs of {samples} samples and {layer.length} inputs a unit are "
                f"more than the engine can count ({MOST_FLOATS} numbers in an array, {8 * 0x10000 - 1} inputs)"
            )
    if weights > MOST_FLOATS or arena > _WORD * MOST_FLOATS:
        raise RequestError(f"{weights} weights and {arena} bytes beside them are more than the engine can count")


def _waits(step: TrainingStep, layer: LayerGeometry) -> bool:
    """Whether an update waits for a gradient that is summed up: ``tp_waits`` of c/plan.h."""
    if step.optimizer.name == "sgd":
        return step.optimizer.momentum == 0 and (not step.is_whole_batch or layer.kind == "conv2d")
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
    return np.float32(min(max(undamped * np.float32(policy.zeta**layer.depth), 0), 1))
