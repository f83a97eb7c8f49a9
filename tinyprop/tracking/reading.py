"""Runs read back from MLflow: of an experiment, of a sweep, or one by its id. Nothing is created or changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyprop.config.problems import nearest
from tinyprop.errors import RequestError, TinypropError
from tinyprop.tracking.database import first_line, impatient, prepare
from tinyprop.tracking.settings import TrackingSettings, locate

_PAGE = 1000
_OWN = "tinyprop.config_hash"
"""The tag that runs of this program have, and parents of sweeps and other programs' runs do not."""
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run as MLflow keeps it.

    Attributes:
        status: MLflow's, such as ``FINISHED``.
        started: milliseconds since 1970.
        params, metrics: by name; of a metric the latest value.
        files: URI of the directory with its files.
    """

    run_id: str
    name: str
    status: str
    started: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    files: str


def open_records(settings: TrackingSettings, runs_dir: Path) -> Records:
    """The store that ``settings`` mean for runs in ``runs_dir``, to read.

    Raises:
        RequestError: there is no such database.
        TinypropError: the store cannot be reached, within seconds.
    """
    location = locate(settings.uri, runs_dir)
    if location.database is not None and not location.database.is_file():
        raise RequestError(f"{location.database}: no such MLflow database; --tracking-uri or --runs-dir names another")
    uri = prepare(location)
    from mlflow import MlflowClient

    with impatient():
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        _asked(lambda: client.search_experiments(max_results=1), f"the store {location.uri} cannot be read")
    return Records(client, uri, location.uri)


class Records:
    """Runs in a store."""

    def __init__(self, client: Any, uri: str, shown_uri: str):
        self._client = client
        self._uri = uri
        self.uri = shown_uri

    def experiment(self, name: str) -> list[RecordedRun]:
        """Every run of this program in an experiment, the latest first.

        Raises:
            RequestError: there is no such experiment.
        """
        return [run for run in self._search(self._experiment(name)) if _OWN in run.tags]

    def study(self, name: str, experiment: str) -> list[RecordedRun]:
        """The runs of one sweep.

        Args:
            name: of its parent run, or the sweep's id; ``last`` is the latest.

        Raises:
            RequestError: there is none in the experiment.
        """
        everything = self._search(self._experiment(experiment))
        parents = {run.tags[_PARENT] for run in everything if _PARENT in run.tags}
        sweeps = [run for run in everything if run.run_id in parents or "tinyprop.sweep" in run.tags]
        meant = [run for run in sweeps if name in (run.name, run.tags.get("tinyprop.sweep"), "last")]
        if not meant:
            known = [run.tags.get("tinyprop.sweep", run.name) for run in sweeps]
            hint = nearest(name, known) if known else "there is no sweep in it"
            raise RequestError(f"--study {name}: no such sweep in the experiment {experiment!r}; {hint}")
        return self._children(meant[0].run_id)

    def by_id(self, run_id: str) -> list[RecordedRun]:
        """One run; of a sweep's parent its runs, those that were reused too.

        Raises:
            RequestError: there is no such run.
        """
        found = self._run(run_id)
        return [found] if _OWN in found.tags else self._children(run_id)

    def text(self, run: RecordedRun, name: str) -> str:
        """What a file of a run holds.

        Raises:
            TinypropError: it is missing, or cannot be reached.
        """
        from mlflow.artifacts import download_artifacts

        def read() -> str:
            path = download_artifacts(artifact_uri=f"{run.files}/{name}", tracking_uri=self._uri)
            return Path(path).read_text(encoding="utf-8")

        return str(_asked(read, f"{name} of run {run.run_id} cannot be read"))

    def history(self, run: RecordedRun, metric: str) -> dict[int, float]:
        """A metric by step; of several values at a step the first."""
        points = _asked(
            lambda: self._client.get_metric_history(run.run_id, metric),
            f"the metric {metric} of run {run.run_id} cannot be read",
        )
        found: dict[int, float] = {}
        for point in sorted(points, key=lambda point: (point.step, point.timestamp)):
            found.setdefault(point.step, point.value)
        return found

    def _children(self, parent_id: str) -> list[RecordedRun]:
        parent = self._client.get_run(parent_id)
        children = self._search(parent.info.experiment_id, f"tags.`{_PARENT}` = '{parent_id}'")
        known = {run.run_id for run in children}
        reused = [run_id for run_id in self._summarised(_recorded(parent)) if run_id not in known]
        found = children + [self._run(run_id) for run_id in reused]
        if not found:
            raise RequestError(f"run {parent_id} in {self.uri} is neither a run of tinyprop nor a sweep with runs")
        return found

    def _summarised(self, parent: RecordedRun) -> Iterable[str]:
        """Ids in a sweep's own summary: a run that was reused is a child of the sweep that trained it."""
        try:
            rows = json.loads(self.text(parent, "summary.json"))
        except (TinypropError, ValueError):
            return []
        return [row["run_id"] for row in rows if row.get("run_id")]

    def _run(self, run_id: str) -> RecordedRun:
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            raise RequestError(f"run {run_id} is not in {self.uri}; --tracking-uri names another store") from error
        if run.info.lifecycle_stage != "active":
            raise RequestError(f"run {run_id} is deleted in {self.uri}; `mlflow runs restore` brings it back")
        return _recorded(run)

    def _experiment(self, name: str) -> str:
        found = _asked(lambda: self._client.get_experiment_by_name(name), f"the experiment {name!r} cannot be read")
        if found is None:
            known = [experiment.name for experiment in self._client.search_experiments()]
            raise RequestError(f"--experiment {name}: not in {self.uri}; {nearest(name, known)}")
        return str(found.experiment_id)

    def _search(self, experiment_id: str, condition: str = "") -> list[RecordedRun]:
        found: list[RecordedRun] = []
        token = None
        while True:
            page = _asked(
                lambda token=token: self._client.search_runs(
                    [experiment_id], condition, max_results=_PAGE, page_token=token
                ),
                "runs cannot be read",
            )
            found += [_recorded(run) for run in page]
            token = page.token
            if not token:
                return found


def _recorded(run: Any) -> RecordedRun:
    return RecordedRun(
        run.info.run_id,
        run.info.run_name or run.info.run_id,
        run.info.status,
        run.info.start_time or 0,
        run.data.params,
        run.data.tags,
        run.data.metrics,
        run.info.artifact_uri,
    )


def _asked(call: Any, what: str) -> Any:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return call()
    except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        raise TinypropError(f"MLflow: {what} ({first_line(error)})") from error
