"""Networks to export, made without training: the engine cannot tell."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from tinyprop import datasets
from tinyprop.config.composition import Composer
from tinyprop.datasets.contract import Dataset
from tinyprop.export.finished_run import FinishedRun
from tinyprop.export.measurement import measurement_of
from tinyprop.export.network import ExportedNetwork, network_of
from tinyprop.export.project import Project, project_of
from tinyprop.models.modules import build
from tinyprop.progress import SILENT
from tinyprop.training.metrics import LOSS_OF_TASK, outputs_of

NETWORKS = {
    "mlp": ("classification", "model=mlp", "model.hidden=[8]", "policy=adaptive", "optimizer=sgd", "optimizer.lr=0.05"),
    "cnn": (
        *("classification", "model=cnn_small", "model.channels=[4,6]", "model.hidden=12", "trainer.batch_size=3"),
        *("policy=static", "policy.ratio=0.3", "optimizer=adam", "optimizer.lr=0.01"),
    ),
    "detector": (
        *("binary", "model=mlp", "model.hidden=[12,6]", "model.activation=sigmoid", "trainer.batch_size=4"),
        *("policy=adaptive_skip", "optimizer=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.5"),
    ),
    "reconstruction": (
        *("reconstruction", "model=mlp", "model.hidden=[6]", "model.activation=tanh", "trainer.batch_size=5"),
        *("policy=meprop", "policy.k=3", "optimizer=adamw"),
    ),
}
"""Task and overrides: every loss, and what else makes the exported code different."""


@cache
def _composer() -> Composer:
    return Composer()


@cache
def dataset_of(task: str) -> Dataset:
    """Scikit-learn's digits, as the data of any task."""
    digits = datasets.load(_composer().run_config(["dataset=digits"]).dataset)
    if task == "classification":
        return digits
    test = replace(digits.test, y=digits.test.y % 2)
    return replace(digits, task=task, test=test, classes=("even", "odd"))


def finished(name: str, *overrides: str) -> FinishedRun:
    """A run that has ended with the weights that it began with."""
    task, *others = NETWORKS[name]
    if any(override.startswith("model=") for override in overrides):
        others = [override for override in others if not override.startswith("model")]
    config = _composer().run_config(["dataset=digits", "trainer.batch_size=1", *others, *overrides])
    dataset = dataset_of(task)
    module = build(config.model, dataset.input_shape, outputs_of(dataset), LOSS_OF_TASK[dataset.task], seed=3)
    return FinishedRun(config.run_name, config, module.state_dict(), dataset.fingerprint)


def network(name: str, *overrides: str, samples: int = 8, batch_size: int | None = None) -> ExportedNetwork:
    """One of `NETWORKS`, ready to be exported."""
    return network_of(finished(name, *overrides), dataset_of(NETWORKS[name][0]), batch_size=batch_size, samples=samples)


@cache
def project(name: str, target: str = "stm32f407") -> Project:
    """One of `NETWORKS` as a project for a target of conf/target."""
    exported = network(name, f"target={target}")
    part = exported.run.config.target
    return project_of(exported, part, measurement_of(exported, part, SILENT))


def native_weights(exported: ExportedNetwork, passes: int) -> np.ndarray:
    """What the engine's own build for this machine makes of the weights in so many passes over the samples."""
    from tinyprop.engine import HostNetwork

    trained = HostNetwork(exported.description, exported.weights.copy())
    order = np.arange(len(exported.x), dtype=np.uint32)
    for _ in range(passes):
        trained.train(exported.x, exported.target, order, exported.run.config.optimizer.lr)
    return trained.weights
