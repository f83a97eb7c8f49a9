"""What a training step asks of each trainable layer: how much is kept, ranked, zero, reached; every share a number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinyprop.cost.layers import LayerGeometry, layers_of
from tinyprop.cost.step import Activity, TrainingStep
from tinyprop.errors import RequestError


@dataclass(frozen=True)
class Load:
    """What one sample asks of a trainable layer, all of it resolved to numbers; means where samples differ.

    Attributes:
        selects: whether entries are ranked.
        ranked: n, what is ranked: entries, or channels.
        sought: k, how many of them are looked for; fewer are kept where a whole gradient is zero.
        kept: how many of them are kept.
        tied: whether many gradients are alike, since an average pool has spread them.
        entries: entries of G that are worked on, in a list or all.
        listed: whether by a list of indices.
        nonzero_entries: of these, those that are not zero.
        nonzero_ranked: of all ranked, those that are not zero.
        nonzero_gradients: share of the output gradient that is not zero.
        parts: positions and groups with an entry to work on; 1 in a linear layer.
        kept_rows: weight rows that a whole batch touches.
        nonzero_inputs: share of the inputs that is not zero.
        large_outputs: share of the outputs beyond ±0.625.
        moving: share of the weights whose moments are not zero.
        blocks, runs: of eight inputs of one weight row that are worked on, and stretches that they come in.
    """

    layer: LayerGeometry
    selects: bool
    ranked: int
    sought: float
    kept: float
    tied: bool
    entries: float
    listed: bool
    nonzero_entries: float
    nonzero_ranked: float
    nonzero_gradients: float
    parts: float
    kept_rows: float
    nonzero_inputs: float
    large_outputs: float
    moving: float
    blocks: float
    runs: float


def loads_of(step: TrainingStep) -> dict[str, Load]:
    """By name of each trainable layer.

    Raises:
        RequestError: nothing says what an adaptive policy keeps.
    """
    layers = layers_of(step.specification)
    return {layer.name: _load(step, layers, index) for index, layer in enumerate(layers) if layer.trainable}


def _load(step: TrainingStep, layers: tuple[LayerGeometry, ...], index: int) -> Load:
    layer, policy = layers[index], step.policy
    known = step.activity.get(layer.name, _UNKNOWN)
    by_channel = layer.kind == "conv2d" and policy.granularity == "channel"
    ranked = layer.rows if by_channel else layer.outputs
    each = layer.outputs // ranked
    selects = policy.name != "dense" and (layer.depth > 0 or policy.sparsify_output)
    nonzero = 1 - (zero_gradients(layers, index) if known.zero_gradients is None else known.zero_gradients)
    sought = kept = float(ranked)
    if selects:
        sought, kept = _counts(step, known, layer, ranked)
    entries = kept * each
    nonzero_entries = min(entries, nonzero * layer.outputs) if each == 1 else entries * nonzero
    listed = selects or step.skip_zeros
    if step.skip_zeros:
        entries = nonzero_entries
    share = entries / layer.outputs
    all_parts = layer.windows * layer.groups if layer.kind == "conv2d" else 1
    reached = known.reached
    if reached is None:
        keeps_zeros = by_channel or not listed or entries > nonzero_entries
        within = 1.0 if keeps_zeros else _covered(layers, index)
        reached = within * _reached(layer, share / within, by_channel=by_channel)
    kept_rows = known.kept_rows
    if kept_rows is None:
        chances = step.batch_size * (1 if by_channel or layer.kind == "linear" else layer.windows)
        kept_rows = 1 - (1 - min(1.0, share)) ** chances
    zeros = zero_inputs(layers, index) if known.zero_inputs is None else known.zero_inputs
    blocks, runs = float(layer.length // LANES), 0.0
    if step.skip_zeros:
        empty = zeros**LANES if known.zero_blocks is None else known.zero_blocks
        if layer.patches.zeroed and layer.length >= LANES * layer.kernel:  # whole blocks of padding
            empty = 1 - (1 - empty) * layer.patches.copied / (layer.patches.copied + layer.patches.zeroed)
        # A stretch begins at a block that is not empty behind one that is, or at the first.
        runs = (1 - empty) * (1 + max(0.0, blocks - 1) * empty) if blocks else 0.0
        blocks *= 1 - empty
    return Load(
        layer=layer,
        selects=selects,
        ranked=ranked,
        sought=sought,
        kept=kept,
        tied=_is_tied(layers, index),
        entries=entries,
        listed=listed,
        nonzero_entries=nonzero_entries,
        nonzero_ranked=ranked if each > 1 else nonzero * ranked,
        nonzero_gradients=nonzero,
        parts=all_parts * reached,
        kept_rows=layer.rows * kept_rows,
        nonzero_inputs=1 - zeros,
        large_outputs=_LARGE if known.large_outputs is None else known.large_outputs,
        moving=1 - (known.zero_moments or 0.0),
        blocks=blocks,
        runs=runs,
    )


LANES = 8
"""Numbers of a block: ``TP_LANES`` of c/kernels/config.h."""
_UNKNOWN = Activity()
_ZERO_BEHIND_RELU = 0.5
_LARGE = 0.3


def _counts(step: TrainingStep, known: Activity, layer: LayerGeometry, ranked: int) -> tuple[float, float]:
    """How many of the ranked are looked for, and how many are kept."""
    policy = step.policy
    fraction = step.kept if known.kept is None else known.kept
    if policy.name == "meprop":
        sought = float(min(policy.k, ranked))
    elif policy.name == "static":
        half = 0.0 if policy.rounding == "floor" else 0.5
        sought = float(max(1, min(ranked, math.floor(policy.ratio * ranked + half))))
    elif fraction is not None:
        sought = fraction * ranked
    else:
        raise RequestError(
            f"policy={policy.name}: what it keeps in {layer.name} depends on the data; say it (kept, a fraction from 0 "
            "to 1) or take it from a run"
        )
    return sought, sought if fraction is None else fraction * ranked


def _is_tied(layers: tuple[LayerGeometry, ...], index: int) -> bool:
    for after in layers[index + 1 :]:
        if after.trainable:
            break
        if after.kind == "average_pool":
            return True
    return False


def _reached(layer: LayerGeometry, share: float, *, by_channel: bool) -> float:
    """Share of a convolution's positions and groups in which something is kept."""
    if share >= 1 or layer.kind == "linear" or (by_channel and layer.groups == 1):
        return 1.0 if share > 0 else 0.0
    return 1 - (1 - share) ** (layer.rows // layer.groups)


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


def zero_gradients(layers: tuple[LayerGeometry, ...], index: int) -> float:
    """Share of zeros in a layer's output gradient, by what is behind it."""
    nonzero, power, behind_relu = _covered(layers, index), 1, False
    for after in layers[index + 1 :]:
        if after.trainable:
            break
        behind_relu |= after.kind == "relu"
        if after.kind == "max_pool":
            nonzero *= min(1.0, after.outputs / (after.inputs * after.covered))
            power *= after.kernel
    return 1 - nonzero * (1 - _ZERO_BEHIND_RELU**power if behind_relu else 1.0)


def _covered(layers: tuple[LayerGeometry, ...], index: int) -> float:
    """Share of a layer's positions that windows behind it see, so that a gradient comes back at all."""
    share = 1.0
    for after in layers[index + 1 :]:
        share *= after.covered
        if after.trainable:
            break
    return share
