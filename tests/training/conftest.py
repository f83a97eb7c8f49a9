"""Runs on a few real digits, in this process and without tracking."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tinyprop import datasets
from tinyprop.config.composition import Composer
from tinyprop.config.schema import RunConfig
from tinyprop.datasets.contract import Dataset

SMALL = (
    *("dataset=digits", "dataset.subset.train=47", "dataset.subset.test=30", "model=mlp", "model.hidden=[8]"),
    *("trainer.epochs=4", "trainer.batch_size=10", "trainer.validation_fraction=0.1"),
    *("optimizer=adam", "optimizer.lr=0.001", "tracking.enabled=false"),
)


@cache
def _composer() -> Composer:
    return Composer()


@cache
def _dataset() -> Dataset:
    return datasets.load(_composer().run_config(SMALL).dataset)


@pytest.fixture
def digits() -> Dataset:
    return _dataset()


@pytest.fixture
def configured(tmp_path):
    """A function from overrides to a small run's configuration."""

    def configure(*overrides: str) -> RunConfig:
        return _composer().run_config([*SMALL, f"runs_dir='{tmp_path / 'runs'}'", *overrides])

    return configure


@pytest.fixture
def mlflow_runs(empty_database):
    """A function from a configuration to MLflow's account of its runs; ``empty_database`` makes it quick."""
    from mlflow import MlflowClient

    def find(config):
        client = MlflowClient(f"sqlite:///{Path(config.runs_dir).absolute()}/mlflow.db")
        (experiment,) = client.search_experiments(filter_string="name = 'tinyprop'")
        return [run.info for run in client.search_runs([experiment.experiment_id])]

    return find
