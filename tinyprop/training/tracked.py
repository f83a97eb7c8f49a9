"""A run's record in MLflow: begun, taken up again, and described."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any
from uuid import uuid4

from tinyprop.config.schema import RunConfig
from tinyprop.datasets.contract import Dataset
from tinyprop.tracking import DatasetInput, Store, TrackedRun, UnknownRunError, machine_tag
from tinyprop.tracking.configuration import policy_of, setting_of
from tinyprop.tracking.labels import policy_label, setting_label
from tinyprop.tracking.values import as_text

_RUN_ID = "mlflow_run_id"
"""The file of a run directory that holds the run's id in MLflow."""
_ATTEMPT = ".attempt"
"""The file that holds a word of its own for each record begun, by which MLflow finds one that got no further."""


def begun(config: RunConfig, run_dir: Path, store: Store, environment: Mapping[str, Any]) -> TrackedRun:
    """A new record. One of an earlier process that is RUNNING still, since that was killed, is ended as KILLED."""
    known, attempt = run_dir / _ATTEMPT, uuid4().hex
    if known.exists():
        store.end_abandoned({"tinyprop.attempt": known.read_text()})
    known.write_text(attempt)  # before there is a record: a process may be killed between any two lines
    tracked = store.start_run(
        shown_name(config),
        config.plain(),
        _tags(config, run_dir, environment) | {"tinyprop.attempt": attempt},
        parent_run_id=config.sweep.parent_run_id,
    )
    if tracked.run_id is not None:
        (run_dir / _RUN_ID).write_text(tracked.run_id)
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


def shown_name(config: RunConfig) -> str:
    """What a run is called in MLflow's pages; its directory's name and its hash are tags.

    Runs of a sweep have their data and network in common, or say what differs: ``static 0.1, output dense · seed 3``.
    """
    parts = [_arm(config), f"seed {config.seed}"]
    if config.sweep.id is None:
        parts[:0] = [config.dataset.name, config.model.name]
    return " · ".join([*parts, *([config.sweep.apart] if config.sweep.apart else [])])


def _arm(config: RunConfig) -> str:
    policy = config.policy
    usual = {field.name: as_text(field.default) for field in fields(policy) if field.default is not MISSING}
    return policy_label(policy_of(config.plain()), usual)


def _setting(config: RunConfig) -> str:
    """All that runs must have in common to be paired; the digits tell apart what the words do not."""
    setting = setting_of(config.plain())
    digest = hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()
    return f"{setting_label(setting, config.dataset.name)} · {digest[:6]}"


def _tags(config: RunConfig, run_dir: Path, environment: Mapping[str, Any]) -> dict[str, str]:
    git = environment["git"]
    commit = git["package"] or git["working_directory"]
    tags = {
        "tinyprop.config_hash": config.hash,
        "tinyprop.dataset": config.dataset.name,
        "tinyprop.model": config.model.name,
        "tinyprop.policy": config.policy.name,
        "tinyprop.arm": _arm(config),
        "tinyprop.setting": _setting(config),
        "tinyprop.seed": str(config.seed),
        "tinyprop.machine": machine_tag(),
        "tinyprop.run_dir": str(run_dir),
    }
    tags |= _trial_tags(config)
    if commit:
        tags["mlflow.source.git.commit"] = str(commit["commit"])
        tags["tinyprop.git_dirty"] = str(commit["dirty"]).lower()
    return tags
