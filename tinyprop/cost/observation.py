"""What a simulated step's numbers are like: how many are zero, large, kept, reached. Read from the board's memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyprop.cost.assumptions import LARGE_TANH
from tinyprop.cost.layers import layers_of
from tinyprop.cost.load import LANES
from tinyprop.cost.memory import flow_of
from tinyprop.cost.step import Activity, TrainingStep
from tinyprop.engine.host import Memory
from tinyprop.engine.phases import MARKED
from tinyprop.engine.statistics import SelectionSums

Floats = NDArray[np.float32]


class Observer:
    """Watches one network train on a board.

    Args:
        read: bytes of the board's memory by address and size.
        memory: what the network takes.
        arena: its address.
    """

    def __init__(self, step: TrainingStep, read: Callable[[int, int], bytes], memory: Memory, arena: int):
        self._step, self._read, self._memory, self._arena = step, read, memory, arena
        self._layers = layers_of(step.specification)
        self._trainable = [index for index, layer in enumerate(self._layers) if layer.trainable]
        self._held = step.micro_batch or step.batch_size
        self._scratch = -(-(arena + memory.arena - memory.scratch) // 4) * 4
        self._flow = self._find_flow()
        self.clear()

    def clear(self) -> None:
        """Forget everything seen."""
        self._gradients: dict[int, list[tuple[float, int]]] = {}
        self._values: list[tuple[list[tuple[float, float, float]], int]] = []
        self._moments: list[list[float]] = []

    def look(self, mark: int) -> None:
        """Take note of a call of tp_mark: where a selection begins, its gradient is complete."""
        index = mark >> 8
        if mark & 0xFF != MARKED.index("select"):
            return
        seen = self._gradients.setdefault(index, [])
        done = sum(count for _, count in seen) % self._step.batch_size
        filled = min(self._held, self._step.batch_size - done)
        gradient = self._floats(self._flow[index], filled * self._layers[index].outputs)
        seen.append((float((gradient == 0).mean()), filled))
        if index == self._trainable[-1]:
            self._values.append((self._shares(self._activations(filled)), filled))

    def look_at_moments(self, state: int) -> None:
        """Before a step: which moments are still zero."""
        weights = sum(self._layers[index].weights for index in self._trainable)
        moments = self._step.optimizer.state_per_weight
        at, found = state + 4 * (2 + len(self._trainable) + (moments - 1) * weights), []  # see c/description.h
        for index in self._trainable:
            count = self._layers[index].weights
            found.append(float((self._floats(at, count) == 0).mean()) if moments else 0.0)
            at += 4 * count
        self._moments.append(found)

    def activity(self, sums: list[list[SelectionSums]]) -> dict[str, Activity]:
        """All that was seen, by layer name.

        Args:
            sums: of each step and trainable layer.
        """
        samples, steps = self._step.batch_size * len(sums), len(sums)
        found = {}
        for place, index in enumerate(self._trainable):
            layer = self._layers[index]
            by_channel = layer.kind == "conv2d" and self._step.policy.granularity == "channel"
            ranked = layer.rows if by_channel else layer.outputs
            values, weights = zip(*((shares[place], filled) for shares, filled in self._values), strict=True)
            zeros, empty, large = np.average(values, axis=0, weights=weights)
            gradients, counts = zip(*self._gradients[index], strict=True)
            patches = sum(each[place].kept_patches for each in sums)
            found[layer.name] = Activity(
                kept=sum(each[place].kept for each in sums) / (samples * ranked),
                kept_rows=sum(each[place].kept_rows for each in sums) / (steps * layer.rows),
                reached=patches / (samples * layer.windows * layer.groups) if layer.kind == "conv2d" else None,
                zero_inputs=float(zeros),
                zero_blocks=float(empty),
                zero_gradients=float(np.average(gradients, weights=counts)),
                large_outputs=float(large),
                zero_moments=float(np.mean([each[place] for each in self._moments])),
            )
        return found

    def _shares(self, values: list[Floats]) -> list[tuple[float, float, float]]:
        """Of each trainable layer: zeros and empty blocks of its input, large outputs where a tanh follows."""
        found = []
        for index in self._trainable:
            x, large = values[index], 0.0
            whole = x[:, : x.shape[1] // LANES * LANES].reshape(-1, LANES)
            empty = float((whole == 0).all(axis=1).mean()) if whole.size else 0.0
            for at in range(index + 1, len(self._layers)):
                if self._layers[at].trainable:
                    break
                if self._layers[at].kind == "tanh":
                    large = float((np.abs(values[at + 1]) > LARGE_TANH).mean())
            found.append((float((x == 0).mean()), empty, large))
        return found

    def _activations(self, filled: int) -> list[Floats]:
        """Inputs of each layer, and the outputs of the last, of a micro-batch, as they lie in the arena."""
        pointers = np.frombuffer(self._read(self._scratch, 4 * filled), np.uint32)
        values = [np.stack([self._floats(int(pointer), self._layers[0].inputs) for pointer in pointers])]
        at = self._arena + self._memory.network + self._memory.optimizer + self._memory.gradients
        for layer in self._layers:
            if layer.in_place:
                values.append(values[-1])
                continue
            values.append(self._floats(at, filled * layer.outputs).reshape(filled, layer.outputs))
            at += 4 * self._held * layer.outputs
        return values

    def _find_flow(self) -> dict[int, int]:
        """Addresses of every trainable layer's output gradient; see c/arena.c and c/backward.c."""
        start = self._scratch + 4 * 3 * self._held  # behind pointers to inputs, x and y
        sides, side, found = (start, start + 4 * self._held * flow_of(self._layers)[0]), 0, {}
        for index in range(len(self._layers) - 1, -1, -1):
            layer = self._layers[index]
            if layer.trainable:
                found[index] = sides[side]
            side ^= layer.trainable or layer.kind.endswith("pool")
        return found

    def _floats(self, address: int, count: int) -> Floats:
        return np.frombuffer(self._read(address, 4 * count), np.float32)
