"""One run in MLflow, from its start to its status."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tinyprop.errors import TinypropError
from tinyprop.tracking.database import first_line
from tinyprop.tracking.values import as_tag, as_text, safe_name

if TYPE_CHECKING:
    import numpy as np
    import torch

Status = Literal["FINISHED", "FAILED", "KILLED"]

FLUSH_INTERVAL = 2.0
"""Seconds between two writes of buffered metrics; a tiny network's epoch takes 20 ms, a write about as long."""
_RETRY_INTERVAL = 30.0
_LOAD = 20
"""A write that took t seconds is followed by at least _LOAD * t without one: tracking takes under 5 % of the time."""
_METRICS_A_CALL = 1000
_ENTRIES_A_CALL = 100
_DIGEST_LIMIT = 36

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetInput:
    """The data that a run used: its name, its fingerprint, and where it came from (a URL, a path, ``generated``)."""

    name: str
    fingerprint: str
    source: str
    synthetic: bool = False


class TrackedRun:
    """A run in a store. Every method does nothing where tracking is switched off (``run_id`` is None then)."""

    def __init__(self, client: Any, run_id: str | None, experiment_id: str = "", resumed: bool = False):
        self._client = client
        self.run_id = run_id
        self._experiment_id = experiment_id
        self._resumed = resumed
        self._buffer: list[tuple[str, float, int, int]] = []
        self._next_flush = 0.0
        self._logged_up_to: dict[str, int] = {}
        self._infinite: dict[str, str] = {}
        self._finished = False

    def log_epoch(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record metrics of one step (epoch). They are written every few seconds, and by `finish` at the latest.

        Infinite values are recorded as NaN, because MLflow would show 1.8e308, and named in the tag
        ``tinyprop.infinite``. A store that stops answering is tried again; `finish` fails if it stays away.
        """
        if self.run_id is None:
            return
        now = int(time.time() * 1000)
        for original, number in metrics.items():
            name, value = safe_name(original), float(number)
            if self._resumed and step <= self._last_step(name):
                continue  # an epoch after the last checkpoint, run once more
            if math.isinf(value):
                self._infinite.setdefault(name, f"{original}={value} at step {step}")
                value = math.nan
            self._buffer.append((name, value, now, step))
        if time.monotonic() >= self._next_flush:
            try:
                self._flush()
            except TinypropError as error:
                self._next_flush = time.monotonic() + _RETRY_INTERVAL
                _logger.warning("%s; the metrics are kept and sent again later", error)

    def log_artifacts(self, directory: Path) -> None:
        """Store all files under ``directory``."""
        if self.run_id is not None:
            with _as_tinyprop_error("files cannot be stored"):
                self._client.log_artifacts(self.run_id, str(directory))

    def log_artifact(self, path: Path) -> None:
        """Store one file."""
        if self.run_id is not None:
            with _as_tinyprop_error(f"{path} cannot be stored"):
                self._client.log_artifact(self.run_id, str(path))

    def log_text(self, text: str, name: str) -> None:
        """Store ``text`` as the file ``name``."""
        if self.run_id is not None:
            with _as_tinyprop_error(f"{name} cannot be stored"):
                self._client.log_text(self.run_id, text, name)

    def log_params(self, params: Mapping[str, str]) -> None:
        """Record parameters that are text already (see `tinyprop.tracking.values.as_params`)."""
        if self.run_id is not None:
            with _as_tinyprop_error("parameters cannot be stored"):
                self._log_batch(params=params)

    def log_dataset(self, dataset: DatasetInput) -> None:
        """Record the data that the run uses, as MLflow's dataset input."""
        if self.run_id is None:
            return
        from mlflow import entities
        from mlflow.exceptions import MlflowException

        kept = entities.Dataset(
            name=dataset.name,
            digest=dataset.fingerprint[:_DIGEST_LIMIT],
            source_type="tinyprop",
            source=json.dumps({"source": dataset.source, "fingerprint": dataset.fingerprint}),
            profile=json.dumps({"synthetic": dataset.synthetic}),
        )
        tags = [entities.InputTag("mlflow.data.context", "train and test")]
        with _as_tinyprop_error("the dataset cannot be recorded"):
            try:
                self._client.log_inputs(self.run_id, [entities.DatasetInput(kept, tags)])
            except MlflowException as error:
                # MLflow looks for the dataset before it adds it: of two processes that do so at once one fails here.
                if "unique" not in str(error).lower():
                    raise
                self._client.log_inputs(self.run_id, [entities.DatasetInput(kept, tags)])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add or replace tags."""
        if self.run_id is not None:
            with _as_tinyprop_error("tags cannot be set"):
                self._log_batch(tags=tags)

    def log_model(self, module: torch.nn.Module, input_example: np.ndarray[Any, np.dtype[Any]]) -> None:
        """Store a trained network with its signature; ``mlflow.pytorch.load_model("runs:/<run_id>/model")`` loads it.

        Args:
            module: any torch module that maps one batch to one output.
            input_example: some samples, shape (samples, *input_shape); kept with the model.
        """
        if self.run_id is not None:
            from tinyprop.tracking.model import log_model

            with _as_tinyprop_error("the model cannot be stored"):
                log_model(self._client, self._experiment_id, self.run_id, module, input_example)

    def finish(self, status: Status) -> None:
        """Write what is buffered and end the run with ``status``; only the first call counts."""
        if self._finished or self.run_id is None:
            return
        self._finished = True
        try:
            self._flush()
        except TinypropError:
            status = "FAILED"  # what is not whole is not finished
            raise
        finally:
            with _as_tinyprop_error(f"run {self.run_id} cannot be ended as {status}"):
                self._client.set_terminated(self.run_id, status)

    def _flush(self) -> None:
        from mlflow.entities import Metric

        begin = time.monotonic()
        with _as_tinyprop_error("metrics cannot be stored"):
            while self._buffer:
                batch = self._buffer[:_METRICS_A_CALL]
                self._client.log_batch(self.run_id, metrics=[Metric(*entry) for entry in batch])
                del self._buffer[: len(batch)]
            if self._infinite:
                self._log_batch(tags={"tinyprop.infinite": "; ".join(self._infinite.values())})
        end = time.monotonic()
        self._next_flush = end + max(FLUSH_INTERVAL, _LOAD * (end - begin))

    def _log_batch(self, params: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None) -> None:
        from mlflow.entities import Param, RunTag

        for part in _parts(list((params or {}).items())):
            self._client.log_batch(self.run_id, params=[Param(*item) for item in part])
        for part in _parts([(key, as_tag(value)) for key, value in (tags or {}).items()]):
            self._client.log_batch(self.run_id, tags=[RunTag(*item) for item in part])

    def _last_step(self, name: str) -> int:
        if name not in self._logged_up_to:
            with _as_tinyprop_error("the run's history cannot be read"):
                history = self._client.get_metric_history(self.run_id, name)
            self._logged_up_to[name] = max((metric.step for metric in history), default=-1)
        return self._logged_up_to[name]


class ParentRun(TrackedRun):
    """The run that stands for a whole multirun."""

    def summarise(
        self,
        children: Sequence[Mapping[str, object]],
        best_run_id: str | None = None,
        best_metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Write the table of the children, how they ended, and the best of them; the metrics as a step of their own,
        since a multirun that is taken up again is summarised again.

        Args:
            children: one row a child with equal or different keys; ``status`` is counted.
            best_run_id: the best child's run id, kept as the tag ``tinyprop.best_run``.
            best_metrics: the best child's metrics, kept as ``best.<name>``.
        """
        statuses = [str(row.get("status", "unknown")) for row in children]
        counts = {f"children.{status}": float(statuses.count(status)) for status in sorted(set(statuses))}
        best = {f"best.{name}": value for name, value in (best_metrics or {}).items()}
        if self.run_id is None:
            return
        step = self._last_step("children") + 1
        self.log_epoch(step, {"children": float(len(children)), **counts, **best})
        if best_run_id is not None:
            self.set_tags({"tinyprop.best_run": best_run_id})
        self.log_text(_as_csv(children), "summary.csv")
        self.log_text(json.dumps(list(children), indent=2, default=str, ensure_ascii=False) + "\n", "summary.json")


class _as_tinyprop_error:  # noqa: N801  # reads as a clause: with _as_tinyprop_error("…")
    """Turn MLflow's exceptions into one message."""

    def __init__(self, what: str):
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, TinypropError):
            return
        from mlflow.exceptions import MlflowException

        if isinstance(error, MlflowException | OSError):
            raise TinypropError(f"MLflow: {self._what} ({first_line(error)})") from error


def _parts(items: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    for start in range(0, len(items), _ENTRIES_A_CALL):
        yield items[start : start + _ENTRIES_A_CALL]


def _as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if row.get(key) is None else as_text(row[key]) for key in columns] for row in rows])
    return text.getvalue()
