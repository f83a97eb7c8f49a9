"""One training step after the other in the simulated engine, with exact counts and what its numbers were like.

For calibration and validation only: unlike the rest of this package it needs Unicorn and the firmware images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import unicorn
from numpy.typing import NDArray
from unicorn import arm_const

from tinyprop.backends.board import (
    ANSWER_BYTES,
    JOB_BYTES,
    JOB_LOOP,
    POOL,
    SAMPLES,
    STACK_TOP,
    Answer,
    Command,
    Job,
    Pool,
    part_of,
    statistics_from,
)
from tinyprop.backends.unicorn_emulator import Emulator, Passage
from tinyprop.cost.cycles import TIMINGS, block_cycles
from tinyprop.cost.instructions import decode
from tinyprop.cost.layers import layers_of
from tinyprop.cost.load import LANES
from tinyprop.cost.memory import flow_of
from tinyprop.cost.predict import Cost
from tinyprop.cost.step import Activity, TrainingStep
from tinyprop.engine.description import Description, describe
from tinyprop.engine.host import Memory, require_ok
from tinyprop.engine.image import Image
from tinyprop.engine.images import core_of, load
from tinyprop.engine.statistics import STATISTICS_BYTES, SelectionSums
from tinyprop.engine.weights import WeightLayout


_SELECT, _WEIGHT_GRADIENT = 2, 4
"""``tp_phase`` of c/tinyprop.h."""
_TANH_OF_LARGE = 0.5546
"""tanh(5/8): from there on c/kernels/tanh.c takes its longer way."""


@dataclass(frozen=True)
class Counted:
    """Means of some simulated steps.

    Attributes:
        parts: by layer and phase, as `tinyprop.cost.predict.Prediction.parts`.
        activity: what was kept and what was zero, by trainable layer.
        stack: bytes used.
    """

    parts: Mapping[str, Cost]
    activity: Mapping[str, Activity]
    stack: int


@dataclass(frozen=True)
class Data:
    """What is trained on: inputs (samples, numbers) in the engine's layout, targets, and initial weights by name."""

    x: NDArray[np.float32]
    target: NDArray[np.uint32] | NDArray[np.float32]
    weights: Mapping[str, NDArray[np.float32]]


class Board:
    """One network on one simulated core.

    Attributes:
        memory: what the firmware says that the network takes.
    """

    def __init__(self, step: TrainingStep, core: str):
        """Open the network; its weights are 0.

        Raises:
            RequestError: there is no image for the core, or the engine refuses the network.
        """
        self._step = step
        self._image = load(core_of(core))
        self._gradients: dict[int, list[tuple[float, int]]] = {}
        self._emulator = _Watched(self._image, core, self._look)
        self._costs = _BlockCosts(self._emulator, core)
        self._entry = self._image.entry
        self._description = _describe(step)
        words = self._description.words.tobytes()
        self._emulator.map(POOL, len(words))
        self._emulator.write(POOL, words)
        asked = Job(Command.MEASURE, description=POOL, words=len(self._description.words))
        self.memory = self._run(asked)[0].memory
        self._pool = pool = Pool(self._description, self.memory)
        self._emulator.map(POOL, pool.end - POOL)
        self._emulator.write(pool.description, words)
        self._flow = self._find_flow()
        self._job = replace(
            asked,
            description=pool.description,
            weights=pool.weights,
            arena=pool.arena,
            arena_bytes=self.memory.arena,
            statistics=pool.statistics,
        )

    def train(self, data: Data, learning_rate: float, *, before: int = 1, counted: int = 2) -> Counted:
        """Train from the initial weights on batch after batch of the data, in order and from the start again.

        Args:
            before: batches that are not counted, after which running maxima and moments are no longer empty.
            counted: batches that are.
        """
        batch = self._step.batch_size
        order = np.resize(np.arange(len(data.x), dtype=np.uint32), (before + counted) * batch)
        target = SAMPLES + data.x.nbytes
        self._emulator.map(SAMPLES, data.x.nbytes + data.target.nbytes + order.nbytes)
        self._emulator.write(SAMPLES, data.x.tobytes() + data.target.tobytes() + order.tobytes())
        weights = WeightLayout(self._step.specification).pack(data.weights)
        self._emulator.write(self._pool.weights, weights.tobytes())
        start = target + data.target.nbytes
        job = replace(self._job, x=SAMPLES, target=target, order=start, learning_rate=learning_rate)
        self._run(replace(job, commands=Command.OPEN))
        if before:
            self._run(replace(job, commands=Command.TRAIN, samples=before * batch))
        sums, calls, shares, zeros = [], [], [], []
        parts: dict[str, Cost] = {}
        for index in range(before, before + counted):
            job = replace(job, commands=Command.CLEAR | Command.TRAIN, samples=batch, order=start + 4 * index * batch)
            self._gradients.clear()
            answer, passages = self._run(job, counting=True)
            content = self._emulator.read(self._pool.statistics, STATISTICS_BYTES * len(self._description.layers))
            sums.append(statistics_from(content))
            calls.append(self._added_rows(passages))
            shares.append(self._shares())
            zeros.append({index: _mean(seen) for index, seen in self._gradients.items()})
            for name, cost in self._parts(passages):
                parts[name] = parts.get(name, Cost()) + cost
        means = {name: _share(cost, counted) for name, cost in parts.items()}
        return Counted(means, self._activity(sums, calls, shares, zeros), answer.stack)

    def _run(self, job: Job, *, counting: bool = False) -> tuple[Answer, Mapping[int, list[Passage]]]:
        address = self._image.symbols["tp_job"]
        self._emulator.write(address, job.to_bytes())
        arguments = (self._entry, STACK_TOP, self._image.symbols["tp_halt"])
        passages: Mapping[int, list[Passage]] = {}
        if counting:
            passages = self._emulator.count(*arguments)
        else:
            self._emulator.run(*arguments)
        self._entry = self._image.symbols["tp_run"]
        answer = Answer.from_bytes(self._emulator.read(address + JOB_BYTES, ANSWER_BYTES))
        require_ok(answer.status)
        return answer, passages

    def _parts(self, passages: Mapping[int, list[Passage]]) -> Iterator[tuple[str, Cost]]:
        names = [layer.name for layer in layers_of(self._step.specification)]
        for mark, found in passages.items():
            if mark != JOB_LOOP:
                yield part_of(mark, names), sum(map(self._costs.of, found), Cost())

    def _added_rows(self, passages: Mapping[int, list[Passage]]) -> dict[int, int]:
        """How often rows were added to in the weight gradient of each layer: once for each position reached."""
        entries = {self._image.symbols[name] for name in ("tp_add_outer", "tp_add_outer_runs")}
        return {
            mark >> 8: sum(passage.times for passage in found if passage.start in entries)
            for mark, found in passages.items()
            if mark & 0xFF == _WEIGHT_GRADIENT
        }

    def _look(self, mark: int) -> None:
        """When a selection begins: how much of the gradient that it is given is zero."""
        if mark & 0xFF != _SELECT:
            return
        index = mark >> 8
        layer, samples = layers_of(self._step.specification)[index], self._step.micro_batch or self._step.batch_size
        seen = self._gradients.setdefault(index, [])
        filled = min(samples, self._step.batch_size - sum(count for _, count in seen))
        content = self._emulator.read(self._flow[index], 4 * filled * layer.outputs)
        seen.append((float((np.frombuffer(content, np.float32) == 0).mean()), filled))

    def _find_flow(self) -> dict[int, int]:
        """Addresses of every trainable layer's output gradient; see c/arena.c and c/backward.c."""
        layers, memory = layers_of(self._step.specification), self.memory
        samples = self._step.micro_batch or self._step.batch_size
        pointers = 3 * max(samples, 1)
        start = -(-(self._pool.arena + memory.arena - memory.scratch) // 4) * 4 + 4 * pointers
        sides, side, found = (start, start + 4 * samples * flow_of(layers)[0]), 0, {}
        for index in range(len(layers) - 1, -1, -1):
            layer = layers[index]
            if layer.trainable:
                found[index] = sides[side]
            side ^= layer.trainable or layer.kind.endswith("pool")
        return found

    def _shares(self) -> list[tuple[float, float, float]]:
        """Of each trainable layer: zeros and empty blocks of its input, large outputs where a tanh follows."""
        values = self._activations()
        layers = layers_of(self._step.specification)
        found = []
        for index, layer in enumerate(layers):
            if not layer.trainable:
                continue
            x = values[index]
            whole = x[:, : x.shape[1] // LANES * LANES].reshape(-1, LANES)
            empty = float((whole == 0).all(axis=1).mean()) if whole.size else 0.0
            large = 0.0
            for at in range(index + 1, len(layers)):
                if layers[at].trainable:
                    break
                if layers[at].kind == "tanh":
                    large = float((np.abs(values[at + 1]) > _TANH_OF_LARGE).mean())
            found.append((float((x == 0).mean()), empty, large))
        return found

    def _activations(self) -> list[NDArray[np.float32]]:
        """Inputs of each layer, and the outputs of the last, of the last micro-batch, as they lie in the arena."""
        memory, layers = self.memory, layers_of(self._step.specification)
        samples = self._step.micro_batch or self._step.batch_size
        filled = self._step.batch_size - (self._step.rounds - 1) * samples
        at = self._pool.arena + memory.network + memory.optimizer + memory.gradients
        last = np.frombuffer(self._emulator.read(self._inputs(), 4 * layers[0].inputs), np.float32)
        values = [last[np.newaxis]]
        for layer in layers:
            if layer.in_place:
                values.append(values[-1])
                continue
            content = self._emulator.read(at, 4 * filled * layer.outputs)
            values.append(np.frombuffer(content, np.float32).reshape(filled, layer.outputs))
            at += 4 * samples * layer.outputs
        return values

    def _inputs(self) -> int:
        """Address of the first sample of the last micro-batch: the first pointer of the scratch."""
        memory = self.memory
        scratch = -(-(self._pool.arena + memory.arena - memory.scratch) // 4) * 4
        return int.from_bytes(self._emulator.read(scratch, 4), "little")

    def _activity(
        self,
        sums: list[list[SelectionSums]],
        calls: list[dict[int, int]],
        shares: list[list[tuple[float, float, float]]],
        zeros: list[dict[int, float]],
    ) -> dict[str, Activity]:
        layers = layers_of(self._step.specification)
        samples, steps = self._step.batch_size * len(sums), len(sums)
        trainable = [index for index, layer in enumerate(layers) if layer.trainable]
        found = {}
        for place, index in enumerate(trainable):
            layer, selection = layers[index], self._description.layers[place]
            kept = sum(each[place].kept for each in sums)
            rows = sum(each[place].kept_rows for each in sums)
            parts = sum(each.get(index, 0) for each in calls)
            inputs, blocks, large = np.mean([each[place] for each in shares], axis=0)
            is_convolution = layer.kind == "conv2d"
            found[layer.name] = Activity(
                kept=kept / (samples * selection.entries),
                kept_rows=rows / (steps * layer.rows),
                reached=parts / (samples * layer.windows * layer.groups) if is_convolution else None,
                zero_inputs=float(inputs),
                zero_blocks=float(blocks),
                zero_gradients=float(np.mean([each[index] for each in zeros])),
                large_outputs=float(large),
            )
        return found


class _Watched(Emulator):
    """Tells someone of every call of tp_mark before it goes on."""

    def __init__(self, image: Image, core: str, tell: Callable[[int], None]):
        super().__init__(image, core)
        mark = image.symbols["tp_mark"]
        self._uc.hook_add(
            unicorn.UC_HOOK_CODE, lambda uc, *_: tell(uc.reg_read(arm_const.UC_ARM_REG_R0)), begin=mark, end=mark
        )


class _BlockCosts:
    """What a passage through a block of code costs; each block is looked at once."""

    def __init__(self, emulator: Emulator, core: str):
        self._emulator, self._timing = emulator, TIMINGS[core]
        self._known: dict[tuple[int, int], tuple[int, float, float]] = {}

    def of(self, passage: Passage) -> Cost:
        key = (passage.start, passage.size)
        if key not in self._known:
            block = decode(self._emulator.read(*key), passage.start)
            straight, jumping = (block_cycles(self._timing, block, jumps=jumps) for jumps in (False, True))
            self._known[key] = (len(block), straight, jumping)
        length, straight, jumping = self._known[key]
        jumps = passage.following not in (None, passage.start + passage.size)
        times = passage.times
        return Cost(times * length, times * (jumping if jumps else straight), float(times * jumps))


def firmware_memory(step: TrainingStep, core: str) -> Memory:
    """What the firmware says that a network takes."""
    return Board(step, core).memory


def _mean(seen: list[tuple[float, int]]) -> float:
    return sum(share * samples for share, samples in seen) / sum(samples for _, samples in seen)


def _describe(step: TrainingStep) -> Description:
    return describe(
        step.specification,
        step.policy,
        step.optimizer,
        batch_size=step.batch_size,
        micro_batch=step.micro_batch,
        skip_zeros=step.skip_zeros,
    )


def _share(cost: Cost, steps: int) -> Cost:
    return Cost(cost.instructions / steps, cost.cycles / steps, cost.jumps / steps)
