"""What the engine's kernels do in a training step, counted by what their instructions are proportional to.

Every layer has a part in each phase, under the names that simulated boards report (``fc1.forward``). A part's work is a
vector of features: calls, rows, blocks of eight numbers, short rests, patches, kept entries. The instructions of a part
are linear in them; `tinyprop.cost.coefficients` has the factors of each core. Features are sums over the batch.

Kernels work on rows in groups (two in dot_vfp.c, four in add_rows_vfp.c and add_outer_vfp.c); where a core has no
floating-point registers the same features describe rows one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tinyprop.cost.layers import LayerGeometry, layers_of
from tinyprop.cost.load import LANES, Load, loads_of
from tinyprop.cost.ranking import rank, route
from tinyprop.cost.step import TrainingStep

Features = dict[str, float]


@dataclass(frozen=True)
class Part:
    """A layer's part in a phase: which coefficients apply, and the features that they apply to."""

    layer: str
    phase: str
    kernel: str
    features: Features


def parts_of(step: TrainingStep) -> Iterator[Part]:
    """All parts of a step in order; ``loss`` counts as a layer, and ``other`` is what goes on around batches."""
    layers, loads = layers_of(step.specification), loads_of(step)
    samples, rounds = float(step.batch_size), float(step.rounds)
    yield Part("", "other", "other", {"steps": 1.0, "rounds": rounds, "samples": samples})
    large = 0.0
    for layer in layers:
        if layer.trainable:
            large = loads[layer.name].large_outputs
            yield Part(layer.name, "forward", f"forward.{layer.kind}", _forward(step, loads[layer.name]))
        else:
            found = _elementwise(step, layer)
            if layer.kind == "tanh":
                found["large"] = found["outputs"] * large
            found["copied"] = 0.0 if layer.in_place else found["outputs"]
            yield Part(layer.name, "forward", f"forward.{layer.kind}", found)
    outputs = layers[-1].outputs
    loss = {"rounds": rounds, "samples": samples, "outputs": samples * outputs}
    yield Part("loss", "forward", f"loss.{step.specification.loss}", loss)
    for layer in reversed(layers):
        if layer.trainable:
            yield from _backward(step, loads[layer.name])
            if not layer.gives_input_gradient:
                return
        elif layer.kind != "flatten":
            yield Part(layer.name, "input_gradient", f"input_gradient.{layer.kind}", _elementwise(step, layer))


def _elementwise(step: TrainingStep, layer: LayerGeometry) -> Features:
    """An activation or pool, in either direction."""
    samples, numbers = step.batch_size, float(step.batch_size * layer.outputs)
    found = {"rounds": float(step.rounds), "samples": float(samples), "outputs": numbers}
    if not layer.kind.endswith("pool"):
        return found
    return found | {
        "outputs of pairs": numbers * (layer.kernel == 2),
        "inputs": float(samples * layer.inputs),
        "windows": float(samples * layer.windows),
        "rows": numbers * layer.kernel,
        "taps": numbers * layer.kernel**2,
    }


def _forward(step: TrainingStep, load: Load) -> Features:
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


def _backward(step: TrainingStep, load: Load) -> Iterator[Part]:
    layer = load.layer
    in_place_adam = step.optimizer.name != "sgd" and step.batch_size == 1 and layer.kind == "linear"
    select = _select(step, load) | {"steps of adam": float(in_place_adam and not layer.gives_input_gradient)}
    yield Part(layer.name, "select", f"select.{_route(load)}", select)
    if layer.gives_input_gradient:
        gradient = _input_gradient(step, load) | {"steps of adam": float(in_place_adam)}
        yield Part(layer.name, "input_gradient", f"input_gradient.{layer.kind}", gradient)
    update = _update(step, load, in_place=in_place_adam)
    if not in_place_adam:
        marked = 0.0 if update["rows"] or _counts_kept(step, layer) else float(layer.rows)
        gradient = _weight_gradient(step, load) | {"rows": marked}
        yield Part(layer.name, "weight_gradient", f"weight_gradient.{layer.kind}", gradient)
    if update["updates"]:
        yield Part(layer.name, "update", "update", update)


def _counts_kept(step: TrainingStep, layer: LayerGeometry) -> bool:
    """Whether no row is marked as touched: ``tp_counts_kept`` of c/update.c."""
    return step.batch_size == 1 and layer.kind == "linear"


def _route(load: Load) -> str:
    """Which code ranks."""
    if not load.selects:
        return "nothing"
    return "channels" if load.ranked != load.layer.outputs else route(load.ranked, load.k, load.nonzero_ranked)


def _select(step: TrainingStep, load: Load) -> Features:
    layer, policy, samples = load.layer, step.policy, step.batch_size
    decides = layer.depth == 0 and policy.name == "adaptive_skip"
    follows_error = load.selects and policy.name.startswith("adaptive")
    by_channel = load.selects and load.ranked != layer.outputs
    columns = layer.rows if layer.kind == "conv2d" and not by_channel else 1
    ranking = rank(load.ranked, load.k, load.nonzero_ranked, columns) if load.selects else rank(0, 0, 0, 0)
    return {
        "rounds": float(step.rounds),
        "samples": float(samples),
        "selections": float(samples * load.selects),
        "measured": float(samples * layer.outputs * (follows_error or decides)),
        **{name: samples * value for name, value in vars(ranking).items()},
        "kept": samples * load.k * load.selects,
        "channels": float(samples * layer.rows * by_channel),
        "norms": float(samples * layer.outputs * by_channel),
        "positions": float(samples * layer.windows * by_channel),
        "repeated": samples * load.entries * by_channel,
        "tested": samples * (load.k * layer.outputs / load.ranked if step.skip_zeros else 0.0),
        "listed": samples * load.entries * step.skip_zeros,
    }


def _kept_rows(load: Load) -> tuple[float, float]:
    """Kept entries of a sample, and the groups of four rows that they make."""
    if load.parts == 0:
        return 0.0, 0.0
    each = load.entries / load.parts
    layer = load.layer
    uneven = layer.kind == "conv2d" and load.ranked == layer.outputs and load.listed
    if uneven:  # how many fall into one position differs
        groups = max(min(each, 1.0), (each + 1.5) / 4)
    else:
        low = math.floor(each)
        groups = math.ceil(low / 4) + (each - low) * (math.ceil((low + 1) / 4) - math.ceil(low / 4))
    return load.entries, load.parts * groups


def _rows_added(step: TrainingStep, load: Load) -> Features:
    """Rows that are added up, or that something is added to, in groups of four."""
    layer, samples = load.layer, step.batch_size
    entries, groups = (samples * each for each in _kept_rows(load))
    rest = layer.length % LANES
    return {
        "rounds": float(step.rounds),
        "samples": 0.0 if layer.kind == "conv2d" else float(samples),
        "images": float(samples) if layer.kind == "conv2d" else 0.0,
        "kept": entries,
        "listed": entries * load.listed,
        "groups": groups,
        "rests": groups * (rest > 0),
        "rest of kept": entries * rest,
        "rest of groups": groups * rest,
        "walked": float(samples * layer.windows * layer.groups) if layer.kind == "conv2d" and load.listed else 0.0,
    }


def _input_gradient(step: TrainingStep, load: Load) -> Features:
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
        **_scattering(load, samples * load.parts * (layer.kind == "conv2d")),
    }


def _weight_gradient(step: TrainingStep, load: Load) -> Features:
    layer, samples = load.layer, step.batch_size
    found = _rows_added(step, load)
    dense_bias = not step.policy.sparse_bias
    biases = layer.outputs if dense_bias else load.entries
    parts = samples * load.parts if layer.kind == "conv2d" else 0.0
    return {
        **found,
        "touched": 0.0 if _counts_kept(step, layer) else found["kept"],
        "blocks of kept": found["kept"] * load.blocks,
        "blocks of groups": found["groups"] * load.blocks,
        "biases": samples * biases * (layer.biases > 0),
        "listed biases": samples * biases * (layer.biases > 0) * (load.listed and not dense_bias),
        "nonzero products": samples * load.nonzero_entries * layer.length * load.nonzero_inputs,
        "runs": found["groups"] * load.runs,
        **_stretches(step, load, parts),
        **_gathering(load, parts),
    }


def _update(step: TrainingStep, load: Load, *, in_place: bool) -> Features:
    layer, optimizer = load.layer, step.optimizer
    weights, decays = float(layer.weights), optimizer.weight_decay > 0
    adam = optimizer.name != "sgd"
    momentum = not adam and optimizer.momentum > 0
    waits = not adam and not momentum and (layer.kind == "conv2d" or not step.is_whole_batch)
    scaled = not adam and not momentum and decays
    any_update = adam or momentum or waits
    return {
        "updates": float(any_update or scaled),
        "rows": float(layer.rows * any_update * (not _counts_kept(step, layer))),
        "scaled": weights * scaled,
        "momentum": weights * (momentum and not decays),
        "momentum with decay": weights * (momentum and decays),
        "touched rows": load.kept_rows * waits,
        "touched weights": load.kept_rows * layer.length * waits,
        "biases": float(layer.biases * waits),
        "adam": weights * (adam and not in_place),
        "adam with decay": weights * (optimizer.name == "adam" and decays),
        "rows in place": float(layer.rows * (adam and in_place)),
        "adam in place": weights * (adam and in_place),
    }
