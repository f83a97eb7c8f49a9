"""What a network takes on a core: asked of the engine built for it, and counted, where Unicorn is installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from tinyprop.cost.memory import engine_memory
from tinyprop.cost.step import TrainingStep
from tinyprop.cost.target import Target
from tinyprop.engine import Memory
from tinyprop.export.network import ExportedNetwork, chosen_samples
from tinyprop.models.modules import sequential
from tinyprop.progress import Progress

EXTRA = "pip install 'tinyprop[unicorn]'"
_NEEDED = ("unicorn", "capstone")
_AFFORDABLE_MACS = {True: 3e7, False: 3e5}
"""Multiply-accumulates of forward passes in some ten seconds of counting, on a core with FPU and without."""


@dataclass(frozen=True)
class Counts:
    """Instructions and modelled cycles of a training step.

    Attributes:
        layers: all of them in order, and the loss.
        instructions, cycles: means over the steps, by layer and phase (``fc1.forward``).
        steps: that were counted.
        samples: of one such step.
        cycle_source: where the cycles of an instruction are from.
    """

    layers: tuple[str, ...]
    instructions: dict[str, float]
    cycles: dict[str, float]
    steps: int
    samples: int
    cycle_source: str


@dataclass(frozen=True)
class Measurement:
    """What is known of a network on a core.

    Attributes:
        memory: what the engine asks for.
        stack: bytes of it that training used; None where nothing was run, and memory is what was computed.
        counts: None where nothing was counted, for the reason in ``uncounted``.
    """

    memory: Memory
    stack: int | None = None
    counts: Counts | None = None
    uncounted: str = ""


def measurement_of(network: ExportedNetwork, target: Target, progress: Progress) -> Measurement:
    """Measure a network in Unicorn; where that is not installed, compute what memory the engine asks for.

    Raises:
        RequestError: there is no firmware image for the target's core.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        return Measurement(_computed(network), uncounted=f"`{EXTRA}` adds what counts them")
    return _simulated(network, target, progress)


def _computed(network: ExportedNetwork) -> Memory:
    config, settings = network.run.config, network.settings
    return engine_memory(
        TrainingStep(
            specification=network.specification,
            policy=config.policy,
            optimizer=config.optimizer,
            batch_size=network.description.batch_size,
            micro_batch=settings.micro_batch,
            skip_zeros=settings.skip_zeros,
        )
    )


def _simulated(network: ExportedNetwork, target: Target, progress: Progress) -> Measurement:
    from tinyprop.backends.engine_training import Task
    from tinyprop.backends.unicorn_backend import UnicornTraining
    from tinyprop.backends.unicorn_settings import UnicornBackend

    config, settings, batch = network.run.config, network.settings, network.description.batch_size
    module = sequential(network.specification)
    module.load_state_dict(network.run.weights)
    task = Task(
        module=module,
        specification=network.specification,
        policy=config.policy,
        optimizer=config.optimizer,
        batch_size=batch,
    )
    counting = UnicornBackend(count="all", skip_zeros=settings.skip_zeros, micro_batch=settings.micro_batch)
    training = UnicornTraining(task, counting, target)
    x, y = chosen_samples(network.dataset, len(network.x))
    order = np.arange(_samples_to_count(network, fpu=training.core.fpu)) % len(x)
    with progress.task(f"Counting instructions on a {training.core.name}", len(order), "samples") as advance:
        training.train_epoch(0, config.optimizer.lr, x, y, order, advance)
    found = training.measurements()
    executed = found.executed
    if training.core.fpu and not target.fpu:
        why = f"the firmware image for {training.core.name} uses a floating-point unit, which {target.name} has not"
        return Measurement(training.memory, stack=executed.stack, uncounted=why)
    counts = Counts(
        layers=(*training.layer_names, "loss"),
        instructions={key: count / executed.steps for key, count in executed.instructions.items()},
        cycles={key: count / executed.steps for key, count in executed.cycles.items()},
        steps=executed.steps,
        samples=min(batch, len(order)),
        cycle_source=found.cycle_model or "",
    )
    return Measurement(training.memory, stack=executed.stack, counts=counts)


def _samples_to_count(network: ExportedNetwork, *, fpu: bool) -> int:
    """Whole batches, as many as the demonstration's samples go into; fewer, or a short one, where that takes long."""
    batch = network.description.batch_size
    macs = network.description.forward_macs
    affordable = max(1, int(_AFFORDABLE_MACS[fpu] / macs))
    if batch > affordable:
        return affordable
    return max(1, min(len(network.x), affordable) // batch) * batch
