"""Multiply-accumulates of training, counted from what was kept. Counts, not wall time.

For a layer with n outputs a sample and m inputs an output (a convolution: m = C_in/groups·kh·kw, taps on padding
included, as is customary):

    forward          n·m a sample, never sparse
    weight gradient  m for each kept entry of G
    input gradient   m for each kept entry of G; none in the first layer
    update           what the optimizer does for each weight that it touches

Selection (comparisons), activations, pooling, normalisation and the adding up of bias gradients are no
multiply-accumulates and are not in these counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tinyprop.sparse.statistics import LayerStatistics


@dataclass(frozen=True)
class Count:
    """Work that was done, beside what dense backpropagation does on the same samples."""

    kept: int = 0
    dense: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.kept + other.kept, self.dense + other.dense)

    @property
    def ratio(self) -> float:
        """Kept over dense; 1 where there was no work to save."""
        return self.kept / self.dense if self.dense else 1.0


@dataclass(frozen=True)
class StepMacs:
    """Multiply-accumulates by phase of a training step, over the samples that were counted."""

    forward: Count = field(default_factory=Count)
    weight_gradient: Count = field(default_factory=Count)
    input_gradient: Count = field(default_factory=Count)
    update: Count = field(default_factory=Count)

    @property
    def backward(self) -> Count:
        """Weight gradient and input gradient."""
        return self.weight_gradient + self.input_gradient

    @property
    def step(self) -> Count:
        """The whole step: forward, backward and update."""
        return self.forward + self.backward + self.update

    def __add__(self, other: StepMacs) -> StepMacs:
        return StepMacs(
            self.forward + other.forward,
            self.weight_gradient + other.weight_gradient,
            self.input_gradient + other.input_gradient,
            self.update + other.update,
        )


def multiply_accumulates(
    layers: Iterable[LayerStatistics], *, update_macs_per_weight: int, touches_all_weights: bool
) -> StepMacs:
    """The work behind some layers' statistics.

    Args:
        layers: as `Sparsity.collect` returns them.
        update_macs_per_weight: multiply-accumulates of the optimizer for one weight and update.
        touches_all_weights: whether the optimizer moves weights whose gradient is zero, as momentum, weight decay and
            Adam do; plain SGD touches only the rows with a kept entry.
    """
    total = StepMacs()
    for layer in layers:
        samples, per_entry = layer.samples, layer.fan_in * layer.positions
        dense = samples * layer.entries * per_entry
        gradient = Count(layer.kept * per_entry, dense)
        row = (layer.fan_in + layer.bias) * update_macs_per_weight
        all_rows = layer.steps * layer.units
        total += StepMacs(
            forward=Count(dense, dense),
            weight_gradient=gradient,
            input_gradient=gradient if layer.input_gradient else Count(),
            update=Count((all_rows if touches_all_weights else layer.kept_rows) * row, all_rows * row),
        )
    return total
