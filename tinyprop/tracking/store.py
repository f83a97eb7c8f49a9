"""A store of runs, opened and proven to work before training starts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tinyprop.errors import TinypropError
from tinyprop.progress import SILENT, Progress
from tinyprop.tracking.database import first_line, impatient, prepare
from tinyprop.tracking.run import DatasetInput, ParentRun, TrackedRun
from tinyprop.tracking.settings import StoreLocation, TrackingSettings, locate
from tinyprop.tracking.values import as_params, as_tag
from tinyprop.tracking.views import experiment_tags, is_described

_Run = TypeVar("_Run", bound=TrackedRun)


class UnknownRunError(TinypropError):
    """A run id that the store does not have."""


def open_store(settings: TrackingSettings, runs_dir: Path, progress: Progress = SILENT) -> Store:
    """Open the store that ``settings`` mean for runs in ``runs_dir``; SQLite is created where it is missing.

    Raises:
        TinypropError: within seconds, where the store cannot be reached, created or used.
    """
    if not settings.enabled:
        return Store(None, None, "")
    location = locate(settings.uri, runs_dir)
    uri = prepare(location, progress)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with impatient():
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            experiment_id = _experiment(client, settings.experiment, location)
    except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        hint = "run `mlflow db upgrade` on it" if "out-of-date" in str(error) else "set tracking.uri to one that works"
        raise TinypropError(
            f"MLflow's store {location.uri} cannot be used ({first_line(error)}); {hint}, "
            "or switch tracking off with tracking.enabled=false"
        ) from error
    return Store(client, location, experiment_id)


class Store:
    """Runs of one experiment. A store of settings that are not enabled hands out runs without an id that keep nothing.

    Attributes:
        uri: the tracking URI, or None.
        artifacts: the directory with the files of the runs, where the client itself keeps them.
    """

    def __init__(self, client: Any, location: StoreLocation | None, experiment_id: str):
        self._client = client
        self._experiment_id = experiment_id
        self.uri = location.uri if location else None
        self.artifacts = location.artifacts if location else None

    def start_run(
        self,
        name: str,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
        dataset: DatasetInput | None = None,
    ) -> TrackedRun:
        """Start a run.

        Args:
            name: shown in MLflow; give one, since MLflow's own names repeat under a fixed seed.
            params: nested settings, flattened with dots (``policy.ratio``).
            tags: facts to search runs by.
            parent_run_id: the multirun that this run belongs to.
            dataset: the data that the run used.
        """
        own = {"mlflow.parentRunId": parent_run_id} if parent_run_id else {}
        run = self._start(TrackedRun, name, {**(tags or {}), **own})
        if run.run_id is not None:
            try:
                self._describe(run, params or {}, dataset)
            except BaseException as error:
                run.finish("FAILED" if isinstance(error, Exception) else "KILLED")
                raise
        return run

    def start_parent(self, name: str, tags: Mapping[str, str] | None = None) -> ParentRun:
        """Start the run that stands for a multirun; finish it in a ``finally``."""
        return self._start(ParentRun, name, tags or {})

    def resume_run(self, run_id: str) -> TrackedRun:
        """Go on with a run that was killed or failed: RUNNING again, and steps already logged are not logged twice.

        Raises:
            UnknownRunError: where the store has no such run, or it is deleted.
        """
        return self._resume(TrackedRun, run_id)

    def resume_parent(self, run_id: str) -> ParentRun:
        """Go on with a multirun's run, as `resume_run` does."""
        return self._resume(ParentRun, run_id)

    def adopt(self, run_id: str, parent_run_id: str) -> None:
        """Make a run, if the store has it, the child of a multirun."""
        if self._client is None:
            return
        from mlflow.exceptions import MlflowException

        try:
            self._client.set_tag(run_id, "mlflow.parentRunId", parent_run_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # unknown, deleted
                raise TinypropError(f"MLflow: run {run_id} cannot be tagged ({first_line(error)})") from error

    def _resume(self, kind: type[_Run], run_id: str) -> _Run:
        if self._client is None:
            return kind(None, None)
        from mlflow.exceptions import MlflowException

        try:
            info = self._client.get_run(run_id).info
            if info.lifecycle_stage != "active":
                raise UnknownRunError(f"run {run_id} is deleted in {self.uri}; `mlflow runs restore` brings it back")
            self._client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise UnknownRunError(f"run {run_id} is not in {self.uri}") from error
            raise TinypropError(f"MLflow: run {run_id} cannot be resumed ({first_line(error)})") from error
        return kind(self._client, run_id, info.experiment_id, resumed=True)

    def end_abandoned(self, tags: Mapping[str, str], failed: Collection[str] = ()) -> None:
        """End as KILLED the runs with these tags that are RUNNING still although their processes are gone.

        Args:
            failed: ids of those that nothing will take up again: they end as FAILED.
        """
        if self._client is None:
            return
        from mlflow.exceptions import MlflowException

        tagged = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
        try:
            for run in self._client.search_runs(
                [self._experiment_id], " and ".join(["attributes.status = 'RUNNING'", *tagged])
            ):
                self._client.set_terminated(run.info.run_id, "FAILED" if run.info.run_id in failed else "KILLED")
        except MlflowException as error:
            raise TinypropError(f"MLflow: abandoned runs cannot be ended ({first_line(error)})") from error

    def _start(self, kind: type[_Run], name: str, tags: Mapping[str, str]) -> _Run:
        if self._client is None:
            return kind(None, None)
        from mlflow.exceptions import MlflowException

        own = {"mlflow.source.name": "tinyprop", "mlflow.source.type": "LOCAL"}
        try:
            run = self._client.create_run(
                self._experiment_id,
                run_name=name,
                tags={**own, **{key: as_tag(value) for key, value in tags.items()}},
            )
        except MlflowException as error:
            raise TinypropError(f"MLflow: run {name!r} cannot be started ({first_line(error)})") from error
        return kind(self._client, run.info.run_id, self._experiment_id)

    def _describe(self, run: TrackedRun, params: Mapping[str, object], dataset: DatasetInput | None) -> None:
        texts, long = as_params(params)
        run.log_params(texts)
        if long:
            run.log_text(json.dumps(long, indent=2, ensure_ascii=False), "long_params.json")
        if dataset is not None:
            run.log_dataset(dataset)


def _experiment(client: Any, name: str, location: StoreLocation) -> str:
    """The id of the experiment ``name``, created where it is missing, by one of the processes that start at once."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            artifacts = None if location.artifacts is None else location.artifacts.as_uri()
            return str(client.create_experiment(name, artifact_location=artifacts, tags=experiment_tags()))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage != "active":
        raise TinypropError(
            f"MLflow's experiment {name!r} is deleted (id {found.experiment_id}); restore it with "
            f"`mlflow experiments restore -x {found.experiment_id}` or choose another by tracking.experiment"
        )
    if not is_described(found.tags):
        for key, value in experiment_tags().items():
            client.set_experiment_tag(found.experiment_id, key, value)
    return str(found.experiment_id)
