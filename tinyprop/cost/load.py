"""What a training step asks of each trainable layer: how much is kept, ranked, zero, reached; every share a number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinyprop.cost.assumptions import (
    LARGE_OUTPUTS,
    alike,
    reached_positions,
    returned_positions,
    zero_gradients,
    zero_inputs,
    zeros_behind,
)
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
        blank: share of the samples whose gradients are all zero; an adaptive policy does not rank them.
        alike: how many gradients have the same value, since an average pool has spread one; 1 where none have.
        entries: entries of G that are worked on, in a list or all.
        listed: whether by a list of indices.
        nonzero_entries: of these, those that are not zero.
        nonzero_ranked: of all ranked, those that are not zero.
        nonzero_gradients: share of the output gradient that is not zero.
        living, keeping: share of the samples that a gradient comes back to, and of those with an entry to work on.
        parts: positions and groups with an entry to work on; 1 in a linear layer.
        returned: share of the input positions that get a gradient back that is not zero.
        kept_rows: weight rows that a whole batch touches.
        nonzero_numbers: share of the layer's input that is not zero.
        nonzero_inputs: the same of what weights are multiplied with, padding included.
        large_outputs: share of the outputs beyond ±0.625.
        moving: share of the weights whose moments are not zero.
        blocks, runs: of eight inputs of one weight row that are worked on, and stretches that they come in.
    """

    layer: LayerGeometry
    selects: bool
    ranked: int
    sought: float
    kept: float
    blank: float
    alike: float
    entries: float
    listed: bool
    nonzero_entries: float
    nonzero_ranked: float
    nonzero_gradients: float
    living: float
    keeping: float
    parts: float
    returned: float
    kept_rows: float
    nonzero_numbers: float
    nonzero_inputs: float
    large_outputs: float
    moving: float
    blocks: float
    runs: float


def loads_of(step: TrainingStep) -> dict[str, Load]:
    """By name of each trainable layer, in order.

    Raises:
        RequestError: nothing says what an adaptive policy keeps.
    """
    layers, returned, living = layers_of(step.specification), 1.0, 1.0
    found: dict[str, Load] = {}
    for index in range(len(layers) - 1, -1, -1):
        if layers[index].trainable:
            load = found[layers[index].name] = _load(step, layers, index, returned, living)
            returned, living = load.returned, load.keeping
    return dict(reversed(found.items()))


def _load(step: TrainingStep, layers: tuple[LayerGeometry, ...], index: int, returned: float, living: float) -> Load:
    layer, policy = layers[index], step.policy
    living = living or 1.0  # where nothing is said to come back, nothing follows for what is kept
    known = step.activity.get(layer.name, _UNKNOWN)
    selects = policy.name != "dense" and (layer.depth > 0 or policy.sparsify_output)
    by_channel = selects and layer.kind == "conv2d" and policy.granularity == "channel"
    ranked = layer.rows if by_channel else layer.outputs
    behind = zeros_behind(step, layers, index)
    zeros = zero_gradients(layers, index, returned, behind) if known.zero_gradients is None else known.zero_gradients
    nonzero = 1 - zeros
    sought = kept = float(ranked)
    if selects:
        sought, kept = _counts(step, known, layer, ranked)
    entries = kept * (layer.outputs // ranked)
    blank = 0.0
    if selects and policy.name in ("static", "meprop"):
        blank = max(0.0, 1 - kept / sought)
    elif selects and policy.name.startswith("adaptive") and 0 < kept < ranked:
        # Whoever keeps anything keeps one at least, and whoever keeps nothing in a layer behind has no gradient here.
        blank = 1 - min(living, kept)
        sought = min(float(ranked), kept / (1 - blank))
    thresholded = selects and policy.name == "budget"
    nonzero_entries = min(entries, nonzero * layer.outputs)
    if by_channel:  # of the largest norms are channels that a ReLU lets through at more positions than others
        living = 1 - zero_gradients(layers, index, returned, of_living_channels=True)
        nonzero_entries = min(entries * (living + min(living, nonzero)) / 2, nonzero_entries)
    if known.kept_rows is not None:
        nonzero_entries = min(nonzero_entries, known.kept_rows * layer.outputs)
    keeps_zeros = not step.skip_zeros and (by_channel or entries > nonzero_entries)
    if step.skip_zeros:
        entries = nonzero_entries
    share = entries / layer.outputs
    within = reached_positions(layers, index, returned)
    # Entries of a position that may be worked on; in groups, channels that are kept lie unevenly.
    together = kept if by_channel and layer.groups == 1 else layer.rows
    reached = known.reached
    if reached is None:
        reached = _reached(layer, entries, 1.0 if keeps_zeros else within, together)
    moved = min(reached, _reached(layer, nonzero_entries, within, together)) if keeps_zeros else reached
    kept_rows = known.kept_rows
    if kept_rows is None:
        chances = step.batch_size * (1 if by_channel or layer.kind == "linear" else layer.windows)
        kept_rows = 1 - (1 - min(1.0, kept / ranked if by_channel else share)) ** chances
    zeros = zero_inputs(layers, index) if known.zero_inputs is None else known.zero_inputs
    padded = 1.0  # share of the patches that is no padding
    if layer.gathered:
        padded = layer.patches.copied / (layer.patches.copied + layer.patches.zeroed)
    blocks, runs = float(layer.length // LANES), 0.0
    if step.skip_zeros:
        empty = zeros**LANES if known.zero_blocks is None else _empty(layer, zeros, known.zero_blocks)
        if layer.length >= LANES * layer.kernel:  # whole blocks of padding
            empty = 1 - (1 - empty) * padded
        # A stretch begins at a block that is not empty behind one that is, or at the first.
        runs = (1 - empty) * (1 + max(0.0, blocks - 1) * empty) if blocks else 0.0
        blocks *= 1 - empty
    return Load(
        layer=layer,
        selects=selects,
        ranked=ranked,
        sought=sought,
        kept=kept,
        blank=blank,
        alike=alike(layers, index, nonzero),
        entries=entries,
        listed=selects or step.skip_zeros,
        nonzero_entries=nonzero_entries,
        nonzero_ranked=ranked if by_channel else nonzero * ranked,
        nonzero_gradients=nonzero,
        living=living,
        keeping=min(1 - blank, entries, _keeping(kept, ranked, living) if thresholded else living),
        parts=layer.windows * layer.groups * reached,
        returned=returned_positions(layer, moved) * min(1.0, nonzero_entries),  # nothing where all of them are zero
        kept_rows=layer.rows * kept_rows,
        nonzero_numbers=1 - zeros,
        nonzero_inputs=(1 - zeros) * padded,
        large_outputs=LARGE_OUTPUTS if known.large_outputs is None else known.large_outputs,
        moving=1 - (known.zero_moments or 0.0),
        blocks=blocks,
        runs=runs,
    )


LANES = 8
"""Numbers of a block: ``TP_LANES`` of c/kernels/config.h."""
_UNKNOWN = Activity()


def _keeping(kept: float, ranked: int, living: float) -> float:
    """Share of the samples that keep any of their entries, where one threshold decides for all.

    So much of a geometric distribution is above zero, and of a single entry as often as it is kept.
    """
    if not 0 < kept < ranked:
        return living
    each = kept / living
    return min(living, kept / (each + max(0.0, 1 - each / ranked)))


def _empty(layer: LayerGeometry, zeros: float, zero_blocks: float) -> float:
    """Share of the blocks that a kernel reads of a layer's input that are all zero.

    A block of a patch is put together of stretches that lie apart in the image; how often a stretch is all zero is
    taken to lie between single numbers and blocks.
    """
    together = LANES
    if layer.kind == "conv2d":
        together = layer.kernel * layer.channels if layer.groups == 1 else layer.channels // layer.groups
    if together >= LANES or not zero_blocks:
        return zero_blocks
    stretch = zeros * (zero_blocks / zeros) ** ((together - 1) / (LANES - 1))
    return float(stretch ** (LANES / together))


def _counts(step: TrainingStep, known: Activity, layer: LayerGeometry, ranked: int) -> tuple[float, float]:
    """How many of the ranked are looked for, and how many are kept."""
    policy = step.policy
    fraction = step.kept if known.kept is None else known.kept
    if policy.name == "meprop":
        sought = float(min(policy.k, ranked))
    elif policy.name == "static":
        half = 0.0 if policy.rounding == "floor" else 0.5
        sought = float(max(1, min(ranked, math.floor(policy.ratio * ranked + half))))
    elif policy.name == "budget" and fraction is None:  # of which layer is unknown; of all it is this
        sought = policy.budget * ranked
    elif fraction is not None:
        sought = fraction * ranked
    else:
        raise RequestError(
            f"policy={policy.name}: what it keeps in {layer.name} depends on the data; say it (kept, a fraction from 0 "
            "to 1) or take it from a run"
        )
    return sought, sought if fraction is None else fraction * ranked


def _reached(layer: LayerGeometry, entries: float, within: float, together: float) -> float:
    """Share of a convolution's positions and groups with one of so many entries; 1 in a linear layer.

    Args:
        within: share of the positions that they lie in.
        together: the most that one position has of them.
    """
    if layer.kind == "linear":
        return 1.0
    if entries <= 0 or within <= 0:
        return 0.0
    in_group = together / layer.groups
    if layer.length == 1:  # what sees one number has its maxima in two places at most, where that is largest and least
        in_group = min(2.0, in_group)
    chance = entries / (layer.windows * within * together)
    return float(within * (1 - (1 - min(1.0, chance)) ** in_group))
