"""Runs, their metrics and their files in MLflow; the fingerprint of the machine.

MLflow is reached through its client with explicit run ids only: the fluent API's active run leaks from one job into the
next when a worker process is used again. ``import tinyprop.tracking`` itself does not import MLflow.
"""

from tinyprop.tracking.environment import environment, machine_tag
from tinyprop.tracking.run import DatasetInput, ParentRun, Status, TrackedRun
from tinyprop.tracking.settings import TrackingSettings
from tinyprop.tracking.store import Store, UnknownRunError, open_store

__all__ = [
    "DatasetInput",
    "ParentRun",
    "Status",
    "Store",
    "TrackedRun",
    "TrackingSettings",
    "UnknownRunError",
    "environment",
    "machine_tag",
    "open_store",
]
