"""Work of the kernels that multiply: the forward pass, input gradients and weight gradients of layers with weights.

Kernels work on rows in groups (two in c/kernels/dot_vfp.c, four in add_rows_vfp.c and add_outer_vfp.c); where a core
has no floating-point registers the same features describe rows one by one. What is not zero is counted apart, for zeros
are cheaper where floating point is software.
"""

from __future__ import annotations

import math

from tinyprop.cost.layers import LayerGeometry
from tinyprop.cost.load import LANES, Load
from tinyprop.cost.memory import waits
from tinyprop.cost.step import TrainingStep

Features = dict[str, float]


def forward(step: TrainingStep, load: Load) -> Features:
    layer, samples = load.layer, step.batch_size
    is_convolution = layer.kind == "conv2d"
    calls = float(samples * layer.groups * layer.windows if is_convolution else samples)
    rows = layer.rows // layer.groups
    blocks, rest = load.blocks, layer.length % LANES
    pairs, groups = calls * (rows // 2), calls * math.ceil(rows / 2)
    single, runs = calls * (rows % 2), load.runs
    return {
        "rounds": float(step.rounds),
        "samples": 0.0 if is_convolution else calls,
        "images": float(samples) if is_convolution else 0.0,
        "pairs": pairs,
        "singles": single,
        "blocks of pairs": pairs * blocks,
        "blocks of singles": single * blocks,
        "turns": groups * math.ceil(max(0.0, blocks - max(1.0, runs)) / 2),
        "rests": groups * (rest > 0),
        "rest of pairs": pairs * rest,
        "rest of singles": single * rest,
        "empty": groups * (blocks == 0),
        "biases": calls * rows * (layer.biases > 0),
        "nonzero products": calls * rows * layer.length * load.nonzero_inputs,
        "nonzero sums": calls * rows * max(0, layer.length - LANES) * load.nonzero_inputs,
        "runs": groups * runs,
        **_stretches(step, load, calls),
        **_gathering(load, calls * is_convolution),
    }


def _stretches(step: TrainingStep, load: Load, vectors: float) -> Features:
    """Looking for the stretches of so many inputs that are not zero: c/kernels/runs.c."""
    if not step.skip_zeros:
        return {"vectors": 0.0, "looked at": 0.0, "stretches": 0.0}
    return {
        "vectors": vectors,
        "looked at": vectors * (load.layer.length // LANES),
        "stretches": vectors * load.runs,
    }


def _gathering(load: Load, positions: float) -> Features:
    """Copying the patches of so many positions and groups: c/kernels/patch.c."""
    layer = load.layer
    gathered = positions * layer.gathered
    each, patches = gathered / layer.windows, layer.patches
    whole = each * patches.whole
    return {
        "positions": positions,
        "whole patches": whole,
        "cut patches": gathered - whole,
        "rows of whole": each * patches.rows_of_whole,
        "rows of cut": each * (patches.rows - patches.rows_of_whole),
        "taps": each * patches.taps * (layer.groups > 1),
        "quads": each * patches.quads,
        "singles": each * patches.singles,
        "zeroed": each * patches.zeroed,
    }


def _scattering(load: Load, positions: float) -> Features:
    """Adding them to the image."""
    layer = load.layer
    each, patches = positions * layer.gathered / layer.windows, layer.patches
    return {
        "positions": positions,
        "patches": positions * layer.gathered,
        "rows": each * patches.rows,
        "taps": each * patches.taps * (layer.groups > 1),
        "added": each * patches.copied,
    }


def _kept_rows(step: TrainingStep, load: Load) -> tuple[float, float]:
    """Kept entries of a sample, and the groups of four rows that they make."""
    if load.parts == 0:
        return 0.0, 0.0
    each = load.entries / load.parts
    layer = load.layer
    uneven = layer.kind == "conv2d" and load.ranked == layer.outputs and load.listed
    if uneven:  # how many fall into one position differs
        groups = max(min(each, 1.0), (each + 1.5) / 4)
    elif load.selects and step.policy.name == "budget":  # of one threshold, some samples keep much and many nothing
        more = each / (load.living + each)  # of a geometric distribution, the chance that there is one more
        groups = max(load.keeping, load.living * more / (1 - more**4))
    else:
        some = load.keeping if layer.kind == "linear" else 1.0
        each = each / some if some else 0.0
        low = math.floor(each)
        groups = some * (math.ceil(low / 4) + (each - low) * (math.ceil((low + 1) / 4) - math.ceil(low / 4)))
    return load.entries, load.parts * groups


def _walked(load: Load) -> float:
    """Share of a convolution's positions up to the last with an entry to work on; none in a linear layer."""
    if load.layer.kind == "linear":
        return 0.0
    if not load.listed:
        return 1.0
    zeros = max(0.0, load.entries - load.nonzero_entries)  # the first of a channel are kept
    return max(load.nonzero_entries / (1 + load.nonzero_entries), min(1.0, zeros / load.layer.windows))


def _rows_added(step: TrainingStep, load: Load) -> Features:
    """Rows that are added up, or that something is added to, in groups of four."""
    layer, samples = load.layer, step.batch_size
    entries, groups = (samples * each for each in _kept_rows(step, load))
    rest = layer.length % LANES
    return {
        "rounds": float(step.rounds),
        "samples": 0.0 if layer.kind == "conv2d" else float(samples),
        "images": float(samples) if layer.kind == "conv2d" else 0.0,
        "samples with entries": samples * load.keeping * (layer.kind != "conv2d"),
        "kept": entries,
        "listed": entries * load.listed,
        "groups": groups,
        "rests": groups * (rest > 0),
        "rest of kept": entries * rest,
        "rest of groups": groups * rest,
        "passed over": samples * max(0.0, layer.windows * layer.groups * _walked(load) - load.parts) * load.listed,
    }


def input_gradient(step: TrainingStep, load: Load) -> Features:
    layer, samples = load.layer, step.batch_size
    found = _rows_added(step, load)
    blocks = layer.length // LANES  # weights are never looked at for zeros
    return {
        **found,
        "blocks of kept": found["kept"] * blocks,
        "blocks of groups": found["groups"] * blocks,
        "cleared": float(samples * layer.inputs),
        "cleared patches": samples * load.parts * layer.length * layer.gathered,
        "nonzero products": samples * load.nonzero_entries * layer.length,
        "nonzero sums": samples * max(0.0, load.nonzero_entries - load.parts) * layer.length,
        **_scattering(load, samples * load.parts * (layer.kind == "conv2d")),
    }


def weight_gradient(step: TrainingStep, load: Load) -> Features:
    layer, samples = load.layer, step.batch_size
    found = _rows_added(step, load)
    dense_bias = not step.policy.sparse_bias
    biases = layer.outputs if dense_bias else load.entries
    parts = samples * load.parts if layer.kind == "conv2d" else 0.0
    products = samples * load.nonzero_entries * layer.length * load.nonzero_inputs
    first = load.kept_rows * layer.length * load.nonzero_inputs * waits(step, layer)  # added to a sum that is empty
    return {
        **found,
        "touched": 0.0 if counts_kept(step, layer) else found["kept"],
        "blocks of kept": found["kept"] * load.blocks,
        "blocks of groups": found["groups"] * load.blocks,
        "biases": samples * biases * (layer.biases > 0),
        "listed biases": samples * biases * (layer.biases > 0) * (load.listed and not dense_bias),
        "positions of biases": samples * layer.windows * _walked(load) * (layer.biases > 0),
        "nonzero products": products,
        "nonzero sums": max(0.0, products - first),
        "runs": found["groups"] * load.runs,
        **_stretches(step, load, parts),
        **_gathering(load, parts),
    }


def counts_kept(step: TrainingStep, layer: LayerGeometry) -> bool:
    """Whether no row is marked as touched: ``tpcounts_kept`` of c/update.c."""
    return step.batch_size == 1 and layer.kind == "linear"
