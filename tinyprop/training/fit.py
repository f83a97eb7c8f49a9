"""The loop over epochs: train, watch, remember the best, checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tinyprop.backends.contract import Backend
from tinyprop.config.schema import RunConfig
from tinyprop.datasets.contract import Dataset, Split
from tinyprop.errors import DivergenceError
from tinyprop.progress import Progress
from tinyprop.sparse import LayerStatistics, StepMacs, multiply_accumulates
from tinyprop.training.metrics import Metrics, evaluate
from tinyprop.training.optimizer import Optimizer

Row = dict[str, float]
"""One epoch's numbers, by the column names of ``metrics.csv``."""

_CHECKPOINT_INTERVAL = 2.0
"""Seconds: the epochs of tiny networks are shorter than writing a checkpoint safely takes."""


@dataclass
class Best:
    """The weights with the lowest validation loss so far."""

    epoch: int
    loss: float
    weights: dict[str, Any]


@dataclass
class FitState:
    """Where training stands after ``epoch`` whole epochs."""

    epoch: int = 0
    history: list[Row] = field(default_factory=list)
    totals: dict[str, LayerStatistics] = field(default_factory=dict)
    best: Best | None = None
    stopped_early: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Numbers, strings and tensors in dicts and lists, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> FitState:
        """What `as_dict` returned."""
        totals = {name: LayerStatistics(**values) for name, values in content["totals"].items()}
        best = None if content["best"] is None else Best(**content["best"])
        return cls(**{**content, "totals": totals, "best": best})


def fit(
    config: RunConfig,
    backend: Backend,
    dataset: Dataset,
    train: Split,
    validation: Split | None,
    state: FitState,
    *,
    on_epoch: Callable[[Row], None],
    checkpoint: Callable[[], None],
    progress: Progress,
) -> None:
    """Train from where ``state`` stands to the end; the backend ends with the weights that the settings select.

    The sample order of an epoch follows from the seed and the epoch alone, so a resumed run sees what an uninterrupted
    one would have seen.

    Args:
        on_epoch: called with each epoch's row.
        checkpoint: called when ``state`` and the backend are at the end of an epoch and worth saving.

    Raises:
        DivergenceError: the loss stopped being finite.
    """
    trainer, target = config.trainer, train.x if dataset.task == "reconstruction" else train.y
    remaining = (trainer.epochs - state.epoch) * len(train)
    last_checkpoint = time.monotonic()
    with progress.task("Training", remaining, "samples") as advance:
        while state.epoch < trainer.epochs and not state.stopped_early:
            begin = time.perf_counter()
            order = np.random.default_rng((config.seed, state.epoch)).permutation(len(train))
            rate = config.optimizer.rate(state.epoch, trainer.epochs)
            epoch = backend.train_epoch(state.epoch, rate, train.x, target, order, advance)
            seconds = time.perf_counter() - begin

            state.epoch += 1
            row: Row = {"epoch": state.epoch, "lr": rate, "seconds": seconds, "train_loss": epoch.loss}
            if validation is not None:
                row |= _named("validation", evaluated(backend, validation, dataset, state.epoch))
                _watch(state, row["validation_loss"], backend, patience=trainer.patience)
            if trainer.test_every_epoch:
                row |= _named("test", evaluated(backend, dataset.test, dataset, state.epoch))
            row |= _layer_columns(epoch.layers) | _mac_columns(macs_of(epoch.layers, config.optimizer))
            if epoch.executed is not None:
                row |= {f"mcu.{name}": value for name, value in epoch.executed.a_step(by_layer=False).items()}
            for name, layer in epoch.layers.items():
                state.totals[name] = state.totals[name] + layer if name in state.totals else layer
            state.history.append(row)
            on_epoch(row)
            if time.monotonic() - last_checkpoint >= _CHECKPOINT_INTERVAL:
                checkpoint()
                last_checkpoint = time.monotonic()
    if trainer.select == "best" and state.best is not None:
        backend.set_weights(state.best.weights)


def evaluated(backend: Backend, split: Split, dataset: Dataset, epoch: int) -> Metrics:
    """Metrics of a split after so many epochs.

    Raises:
        DivergenceError: the network's outputs are not finite, after an update at the end of an epoch.
    """
    outputs = backend.outputs(split.x)
    if not np.isfinite(outputs).all():
        raise DivergenceError(
            f"training diverged: the network's outputs are not finite after the last step of epoch {epoch}. "
            "Lower optimizer.lr or set optimizer.warmup_epochs"
        )
    return evaluate(outputs, split, dataset)


def macs_of(layers: dict[str, LayerStatistics], optimizer: Optimizer) -> StepMacs:
    """Multiply-accumulates behind statistics, with this optimizer's updates."""
    return multiply_accumulates(
        layers.values(),
        update_macs_per_weight=optimizer.macs_per_weight,
        touches_all_weights=optimizer.touches_all_weights,
    )


def _watch(state: FitState, loss: float, backend: Backend, *, patience: int | None) -> None:
    if state.best is None or loss < state.best.loss:
        state.best = Best(state.epoch, loss, backend.weights())
    elif patience is not None and state.epoch - state.best.epoch >= patience:
        state.stopped_early = True


def _named(split: str, metrics: dict[str, float]) -> Row:
    return {f"{split}_{name}": value for name, value in metrics.items()}


def _layer_columns(layers: dict[str, LayerStatistics]) -> Row:
    columns = ("ratio", "kept_fraction", "local_error")
    return {f"{column}.{name}": getattr(layer, column) for column in columns for name, layer in layers.items()}


def _mac_columns(macs: StepMacs) -> Row:
    row: Row = {}
    for phase in PHASES:
        count = getattr(macs, phase)
        row |= {f"macs.{phase}.kept": count.kept, f"macs.{phase}.dense": count.dense}
    return row


PHASES = ("forward", "weight_gradient", "input_gradient", "update")
