"""What a training step has to do, whoever does it: multiply-accumulates, loads, stores, comparisons, updates.

Counted from the method, not from the engine's kernels, for a layer with n outputs a sample and m inputs an output:

    forward          n m multiply-accumulates; 2 n m loads, n stores
    weight gradient  m for each kept entry; 2 m loads and m stores, the sum being read and written
    input gradient   m for each kept entry, none in the first layer; 2 m loads and m stores
    select           n comparisons for the ranking of n numbers, and n additions for the local error; n loads
    update           the optimizer's multiply-accumulates for each weight that it touches; weight, gradient and moments
                     are loaded, and stored apart from the gradient

Taps on padding are counted, as is customary. Activations load and store each number once; of a pool each window's.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from tinyprop.cost.layers import layers_of
from tinyprop.cost.load import Load, loads_of
from tinyprop.cost.step import TrainingStep


@dataclass(frozen=True)
class Operations:
    """Counts of one step.

    Attributes:
        macs: multiply-accumulates; an addition alone counts as one in ``additions`` instead.
        loads, stores: of 32-bit numbers.
        comparisons: of the selection and of maximum pools.
    """

    macs: float = 0.0
    additions: float = 0.0
    loads: float = 0.0
    stores: float = 0.0
    comparisons: float = 0.0

    def __add__(self, other: Operations) -> Operations:
        return Operations(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def operations(step: TrainingStep) -> dict[str, Operations]:
    """By layer and phase, as ``fc1.forward``, of one batch.

    Raises:
        RequestError: the engine cannot run the network, or nothing says what an adaptive policy keeps.
    """
    samples, found = step.batch_size, {}
    loads = loads_of(step)
    for layer in layers_of(step.specification):
        if layer.trainable:
            for phase, counted in _trainable(step, loads[layer.name]).items():
                found[f"{layer.name}.{phase}"] = counted
        elif layer.kind != "flatten":
            numbers = float(samples * layer.outputs)
            taps = numbers * (layer.kernel**2 if layer.kind.endswith("pool") else 1)
            compared = taps * (layer.kind == "max_pool")
            added = taps * (layer.kind == "average_pool")
            forward = Operations(loads=taps, stores=numbers, comparisons=compared, additions=added)
            found[f"{layer.name}.forward"] = forward
            if layer.gives_input_gradient:
                found[f"{layer.name}.input_gradient"] = Operations(loads=numbers, stores=float(samples * layer.inputs))
    return found


def _trainable(step: TrainingStep, load: Load) -> dict[str, Operations]:
    layer, samples = load.layer, step.batch_size
    dense = float(samples * layer.outputs * layer.length)
    kept = samples * load.entries * layer.length
    gradient = Operations(macs=kept, loads=2 * kept, stores=kept)
    ranked = float(samples * layer.outputs * load.selects)
    found = {
        "forward": Operations(macs=dense, loads=2 * dense, stores=float(samples * layer.outputs)),
        "select": Operations(additions=ranked, loads=ranked, comparisons=float(samples * load.ranked * load.selects)),
        "weight_gradient": gradient,
        "update": _update(step, load),
    }
    if layer.gives_input_gradient:
        found["input_gradient"] = gradient
    return found


def _update(step: TrainingStep, load: Load) -> Operations:
    layer, optimizer = load.layer, step.optimizer
    touched = float(layer.weights)
    if not optimizer.touches_all_weights:
        touched = load.kept_rows * (layer.length + (layer.biases > 0))
    moved = 1 + optimizer.state_per_weight
    return Operations(macs=touched * optimizer.macs_per_weight, loads=touched * (moved + 1), stores=touched * moved)
