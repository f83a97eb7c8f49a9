"""What the engine's kernels do in a training step, counted by what their instructions are proportional to.

Every layer has a part in each phase, under the names that simulated boards report (``fc1.forward``). A part's work is a
vector of features: calls, rows, blocks of eight numbers, short rests, patches, kept entries. The instructions of a part
are linear in them; `tinyprop.cost.coefficients` has the factors of each core. Features are sums over the batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyprop.cost.assumptions import zero_gradients, zero_inputs, zeros_behind, zeros_kept
from tinyprop.cost.layers import LayerGeometry, layers_of
from tinyprop.cost.load import LANES, Load, loads_of
from tinyprop.cost.memory import waits
from tinyprop.cost.products import Features, counts_kept, forward, input_gradient, weight_gradient
from tinyprop.cost.ranking import Ranking, rank, route
from tinyprop.cost.step import TrainingStep

if TYPE_CHECKING:
    from tinyprop.sparse.policies import AnyPolicy


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
    for index, layer in enumerate(layers):
        if layer.trainable:
            large = loads[layer.name].large_outputs
            yield Part(layer.name, "forward", f"forward.{layer.kind}", forward(step, loads[layer.name]))
        else:
            found = _elementwise(step, layer, max(zero_inputs(layers, index), zeros_kept(step, layers, index)))
            if layer.kind in ("relu", "sigmoid", "tanh"):
                found["large"] = found["outputs"] * large * (layer.kind == "tanh")
                found["copied"] = 0.0 if layer.in_place else found["outputs"]
            yield Part(layer.name, "forward", f"forward.{layer.kind}", found)
    outputs = layers[-1].outputs
    loss = {"rounds": rounds, "samples": samples, "outputs": samples * outputs}
    yield Part("loss", "forward", f"loss.{step.specification.loss}", loss)
    returned = 1.0
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        if layer.trainable:
            returned = loads[layer.name].returned
            yield from _backward(step, loads[layer.name])
            if not layer.gives_input_gradient:
                return
        elif layer.kind != "flatten":
            found = _elementwise(
                step, layer, zero_gradients(layers, index, returned, zeros_behind(step, layers, index))
            )
            yield Part(layer.name, "input_gradient", f"input_gradient.{layer.kind}", found)


def _elementwise(step: TrainingStep, layer: LayerGeometry, zeros: float) -> Features:
    """An activation or pool, in either direction, of numbers of which a share are zeros."""
    samples, numbers = step.batch_size, float(step.batch_size * layer.outputs)
    found = {"rounds": float(step.rounds), "samples": float(samples), "outputs": numbers}
    if not layer.kind.endswith("pool"):
        return found | {"nonzero": numbers * (1 - zeros)}
    by_two = layer.kernel == 2  # for which c/kernels/max_pool.c has code of its own
    return found | {
        "outputs by two": numbers * by_two,
        "inputs": float(samples * layer.inputs),
        "windows": float(samples * layer.windows),
        "rows": numbers * layer.kernel * (not by_two),
        "taps": numbers * layer.kernel**2 * (not by_two),
        "nonzero taps": numbers * layer.kernel**2 * (1 - zeros),
    }


def _backward(step: TrainingStep, load: Load) -> Iterator[Part]:
    layer = load.layer
    in_place_adam = step.optimizer.name != "sgd" and step.batch_size == 1 and layer.kind == "linear"
    selecting = _compare if _route(load, step.policy) == "threshold" else _select
    select = selecting(step, load) | {"steps of adam": float(in_place_adam and not layer.gives_input_gradient)}
    yield Part(layer.name, "select", f"select.{_route(load, step.policy)}", select)
    if layer.gives_input_gradient:
        gradient = input_gradient(step, load) | {"steps of adam": float(in_place_adam)}
        yield Part(layer.name, "input_gradient", f"input_gradient.{layer.kind}", gradient)
    update = _update(step, load, in_place=in_place_adam)
    if not in_place_adam:
        marked = 0.0 if update["rows"] or counts_kept(step, layer) else float(layer.rows)
        gradient = weight_gradient(step, load) | {"rows": marked}
        yield Part(layer.name, "weight_gradient", f"weight_gradient.{layer.kind}", gradient)
    if update["updates"]:
        yield Part(layer.name, "update", "update", update)


def _route(load: Load, policy: AnyPolicy) -> str:
    """Which code selects."""
    if not load.selects:
        return "nothing"
    if policy.name == "budget":
        return "threshold"
    if load.ranked != load.layer.outputs:
        return "channels"
    return route(load.ranked, load.sought, _nonzero_of_living(load), alike=load.alike)


def _select(step: TrainingStep, load: Load) -> Features:
    layer, policy, samples = load.layer, step.policy, step.batch_size
    decides = layer.depth == 0 and policy.name == "adaptive_skip"
    nonzero = layer.outputs * load.nonzero_gradients
    follows_error = load.selects and policy.name.startswith("adaptive")
    by_channel = load.selects and load.ranked != layer.outputs
    looks_first = follows_error or decides  # at the local error: what is all zero is not ranked
    seen = 1 - load.blank if looks_first else 1.0
    ranked = samples * load.selects * seen * (load.kept > 0 or not looks_first)
    by_channel_ranked = ranked * by_channel
    ranking = _ranking(load, by_channel=by_channel, looks_first=looks_first) if load.selects else {}
    return {
        "rounds": float(step.rounds),
        "rounds of the first layer": float(step.rounds * (not layer.gives_input_gradient)),
        "samples": float(samples),
        "selections": ranked,
        "errors": samples * seen * looks_first,
        "measured": float(samples * layer.outputs * looks_first),
        "nonzero measured": samples * nonzero * looks_first,
        **{name: ranked * ranking.get(name, 0.0) for name in vars(Ranking())},
        "looked through": ranked * _looked_through(load) * (not looks_first),
        "kept": samples * load.kept * load.selects,
        "channels": by_channel_ranked * layer.rows,
        "norms": by_channel_ranked * layer.outputs,
        "nonzero norms": by_channel_ranked * nonzero,
        "sums of norms": by_channel_ranked * max(0.0, nonzero - layer.rows),
        "positions": by_channel_ranked * layer.windows,
        "repeated": by_channel_ranked * load.sought * layer.windows,
        "tested": samples * seen * load.sought * layer.outputs / load.ranked * step.skip_zeros,
        "listed": samples * load.entries * step.skip_zeros,
    }


def _compare(step: TrainingStep, load: Load) -> Features:
    """Comparing entries with a threshold: c/threshold.c."""
    layer, samples = load.layer, step.batch_size
    return {
        "rounds": float(step.rounds),
        "steps of the first layer": float(not layer.gives_input_gradient),
        "samples": float(samples),
        "blocks squared": float(samples * (layer.inputs // LANES)),
        "rest squared": float(samples * (layer.inputs % LANES)),
        "nonzero squared": samples * layer.inputs * load.nonzero_numbers,
        "compared": float(samples * layer.outputs),
        "kept": samples * load.kept,
    }


def _ranking(load: Load, *, by_channel: bool, looks_first: bool) -> dict[str, float]:
    """Work of ranking a sample, on average over those that are ranked.

    Where fewer are kept than are sought, the others' gradients are all zero, and ranked in vain if nobody looks first.
    """
    columns = load.layer.rows if load.layer.kind == "conv2d" and not by_channel else 1
    blank = 0.0 if looks_first else load.blank
    alike = 1.0 if by_channel else load.alike
    numbers = (_nonzero_of_living(load), 0.0)
    living, dead = (vars(rank(load.ranked, load.sought, each, columns, alike=alike)) for each in numbers)
    return {name: (1 - blank) * living[name] + blank * dead[name] for name in living}


def _nonzero_of_living(load: Load) -> float:
    """Of what is ranked, the numbers that are not zero, in samples where not all are."""
    return min(float(load.ranked), load.nonzero_ranked / (1 - load.blank)) if load.blank < 1 else 0.0


def _looked_through(load: Load) -> float:
    """Entries of a list up to the first that is not zero, which shows that the gradient is not."""
    living = max(0.0, load.entries - load.nonzero_entries) / (1 + load.nonzero_entries)
    return (1 - load.blank) * (1 + living) + load.blank * load.sought * load.layer.outputs / load.ranked


def _update(step: TrainingStep, load: Load, *, in_place: bool) -> Features:
    layer, optimizer = load.layer, step.optimizer
    weights, decays = float(layer.weights), optimizer.weight_decay > 0
    adam = optimizer.name != "sgd"
    momentum = not adam and step.momentum > 0
    summed = not adam and waits(step, layer)
    chances = step.batch_size if layer.kind == "linear" else step.batch_size * layer.windows
    with_gradient = 1 - (1 - load.nonzero_inputs) ** chances
    scaled = not adam and not momentum and decays
    any_update = adam or momentum or summed
    return {
        "updates": float(any_update or scaled),
        "rows": float(layer.rows * any_update * (not counts_kept(step, layer))),
        "scaled": weights * scaled,
        "momentum": weights * (momentum and not decays),
        "moving": weights * load.moving * momentum,
        "momentum with decay": weights * (momentum and decays),
        "touched rows": load.kept_rows * summed,
        "touched weights": load.kept_rows * layer.length * summed,
        "biases": float(layer.biases * summed),
        "touched weights with a gradient": load.kept_rows * layer.length * with_gradient * summed,
        "adam": weights * (adam and not in_place),
        "adam on moving": weights * load.moving * adam,
        "adam with a gradient": load.kept_rows * layer.length * with_gradient * adam,
        "adam with decay": weights * (optimizer.name == "adam" and decays),
        "shrunk": weights * (optimizer.name == "adamw" and decays),
        "rows in place": float(layer.rows * (adam and in_place)),
        "adam in place": weights * (adam and in_place),
    }
