"""A run's record in MLflow: begun, taken up again, and described."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinyprop.config.schema import RunConfig
from tinyprop.datasets.contract import Dataset
from tinyprop.tracking import DatasetInput, Store, TrackedRun, UnknownRunError, machine_tag

_RUN_ID = "mlflow_run_id"
"""The file of a run directory that holds the run's id in MLflow."""


def begun(
    config: RunConfig, run_dir: Path, store: Store, environment: Mapping[str, Any], *, abandoned: bool
) -> TrackedRun:
    """A new record. That of an earlier process which ended without a word (``abandoned``) is ended as KILLED."""
    known = run_dir / _RUN_ID
    if abandoned and known.exists():
        with suppress(UnknownRunError):  # deleted from MLflow, or in another store: nothing there to end
            store.resume_run(known.read_text().strip()).finish("KILLED")
    tracked = store.start_run(
        config.run_name, config.plain(), _tags(config, run_dir, environment), parent_run_id=config.sweep.parent_run_id
    )
    if tracked.run_id is not None:
        known.write_text(tracked.run_id)
    return tracked


def resumed(config: RunConfig, run_dir: Path, store: Store) -> TrackedRun | None:
    """The record of the run that is gone on with; None where this store has none."""
    known = run_dir / _RUN_ID
    if not known.exists():
        return None
    try:
        tracked = store.resume_run(known.read_text().strip())
    except UnknownRunError:
        return None
    if config.sweep.parent_run_id is not None:
        tracked.set_tags({"mlflow.parentRunId": config.sweep.parent_run_id, **_trial_tags(config)})
    return tracked


def describe_dataset(tracked: TrackedRun, config: RunConfig, dataset: Dataset) -> None:
    """Record which data the run uses."""
    settings = config.dataset
    source = getattr(settings, "path", None) or getattr(settings, "root", None) or "scikit-learn"
    tracked.log_dataset(DatasetInput(dataset.name, dataset.fingerprint, str(source), synthetic=dataset.synthetic))
    tracked.set_tags(
        {
            "tinyprop.dataset_fingerprint": dataset.fingerprint,
            "tinyprop.synthetic": str(dataset.synthetic).lower(),
        }
    )


def _trial_tags(config: RunConfig) -> dict[str, str]:
    if config.sweep.trial is None:
        return {}
    return {"tinyprop.study": str(config.sweep.study), "tinyprop.trial": str(config.sweep.trial)}


def _tags(config: RunConfig, run_dir: Path, environment: Mapping[str, Any]) -> dict[str, str]:
    git = environment["git"]
    commit = git["package"] or git["working_directory"]
    tags = {
        "tinyprop.config_hash": config.hash,
        "tinyprop.dataset": config.dataset.name,
        "tinyprop.model": config.model.name,
        "tinyprop.policy": config.policy.name,
        "tinyprop.machine": machine_tag(),
        "tinyprop.run_dir": str(run_dir),
    }
    tags |= _trial_tags(config)
    if commit:
        tags["mlflow.source.git.commit"] = str(commit["commit"])
        tags["tinyprop.git_dirty"] = str(commit["dirty"]).lower()
    return tags
