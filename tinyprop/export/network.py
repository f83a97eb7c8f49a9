"""What is exported of a run: the network in the engine's words, its weights, and some real samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyprop.backends.engine_settings import EngineBackend
from tinyprop.datasets.contract import Dataset
from tinyprop.engine import Description, WeightLayout, describe, refused_layers, refused_settings
from tinyprop.errors import RequestError
from tinyprop.export.finished_run import FinishedRun
from tinyprop.models import ResNet8
from tinyprop.models.specification import NetworkSpecification
from tinyprop.training.metrics import LOSS_OF_TASK, outputs_of


@dataclass(frozen=True, eq=False)
class ExportedNetwork:
    """A network that is to go on learning elsewhere.

    Attributes:
        dataset: what the run was trained on.
        settings: how the engine is to run it.
        weights: float32, in the engine's layout.
        x: samples in the engine's layout, float32, shape (samples, inputs).
        target: labels, uint32, shape (samples,); of a squared error float32, shape (samples, outputs).
    """

    run: FinishedRun
    dataset: Dataset
    settings: EngineBackend
    specification: NetworkSpecification
    description: Description
    weights: NDArray[np.float32]
    x: NDArray[np.float32]
    target: NDArray[Any]

    @property
    def squared_error(self) -> bool:
        """Whether targets are as many numbers as there are outputs, rather than labels."""
        return self.description.loss == "mean_squared_error"


def network_of(run: FinishedRun, dataset: Dataset, *, batch_size: int | None, samples: int) -> ExportedNetwork:
    """Prepare a run's network.

    Args:
        dataset: that the run's configuration names.
        batch_size: samples an update; None is the run's.
        samples: of the dataset's test data, that are to go with it.

    Raises:
        RequestError: the engine cannot run it, or it does not go together with the data or the arguments.
    """
    config = run.config
    if dataset.fingerprint != run.dataset_fingerprint:
        raise RequestError(
            f"{run.name} was trained on other data than are there now (fingerprint {run.dataset_fingerprint[:10]}, now "
            f"{dataset.fingerprint[:10]}); bring them back, or train again with trainer.force=true"
        )
    specification = _specification(run, dataset)
    settings = _settings(run, batch_size)
    layout = WeightLayout(specification)
    weights = layout.pack(run.weights)
    if not np.isfinite(weights).all():
        raise RequestError(f"{run.name}: its weights are not finite; lower optimizer.lr and train again")
    x, target = chosen_samples(dataset, samples)
    return ExportedNetwork(
        run=run,
        dataset=dataset,
        settings=settings,
        specification=specification,
        description=describe(
            specification,
            config.policy,
            config.optimizer,
            batch_size=config.trainer.batch_size if batch_size is None else batch_size,
            micro_batch=settings.micro_batch,
            skip_zeros=settings.skip_zeros,
        ),
        weights=weights,
        x=layout.rows(x),
        target=layout.targets(target),
    )


def chosen_samples(dataset: Dataset, count: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Test samples and their targets in PyTorch's layout: the first of each class, then the second of each, and so on.

    Of a reconstruction they are normal ones, which are what it learns from.

    Raises:
        RequestError: there are fewer.
    """
    test = dataset.test
    reconstructs = dataset.task == "reconstruction"
    order = np.flatnonzero(test.y == 0) if reconstructs else _in_turn(test.y)
    if count > len(order):
        kind = "normal test samples" if reconstructs else "test samples"
        raise RequestError(f"--samples {count}: {dataset.name} has {len(order)} {kind}")
    x = test.x[order[:count]]
    return x, x if reconstructs else test.y[order[:count]]


def _in_turn(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    earlier = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = labels == label
        earlier[members] = np.arange(members.sum())
    return np.lexsort((labels, earlier))


def _settings(run: FinishedRun, batch_size: int | None) -> EngineBackend:
    """The run's, as far as its backend has any, with no more samples held in memory than a batch has."""
    backend = run.config.backend
    if not isinstance(backend, EngineBackend):
        return EngineBackend()
    micro_batch = backend.micro_batch
    if micro_batch is not None and batch_size is not None:
        micro_batch = min(micro_batch, batch_size)
    return EngineBackend(skip_zeros=backend.skip_zeros, micro_batch=micro_batch)


def _specification(run: FinishedRun, dataset: Dataset) -> NetworkSpecification:
    """The run's network, which the engine must be able to run and to train as the run was.

    Raises:
        RequestError: it cannot; names everything that it cannot.
    """
    model, refused = run.config.model, [*refused_settings(run.config.policy, run.config.optimizer)]
    if isinstance(model, ResNet8):
        refused.append("model=resnet8 (its layers are no sequence)")
    else:
        specification = model.specification(dataset.input_shape, outputs_of(dataset), LOSS_OF_TASK[dataset.task])
        refused += [f"{layer} of model={model.name}" for layer in refused_layers(specification)]
        if not refused:
            return specification
    raise RequestError(f"{run.name} cannot be exported: the C engine cannot run {', nor '.join(refused)}")
