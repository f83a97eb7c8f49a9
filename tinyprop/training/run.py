"""One run, from configuration to result: found again, resumed or trained, tracked, and true about how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from tinyprop import datasets
from tinyprop.backends.contract import Backend
from tinyprop.config.schema import RunConfig
from tinyprop.cost import Target
from tinyprop.datasets.contract import Dataset
from tinyprop.datasets.shape import shape_of
from tinyprop.errors import DataError, RequestError, TinypropError
from tinyprop.estimate.estimate import tracked_numbers
from tinyprop.estimate.trained import activity_of, estimates_of_run
from tinyprop.progress import Progress
from tinyprop.tracking import Status, TrackedRun, environment, open_store
from tinyprop.training import checkpoint, record, result
from tinyprop.training.fit import FitState, Row, evaluated, fit
from tinyprop.training.holdout import hold_out
from tinyprop.training.numbers import numbers_of
from tinyprop.training.prepare import open_backend, require_ready
from tinyprop.training.reuse import earlier_result, is_finished, reused
from tinyprop.training.tracked import begun, describe_dataset, resumed

_RELEASE_LIMIT = 5.0
"""Seconds in which the lock of a process that is gone must be free."""

Watch = Callable[[Row], str | None]

_logger = logging.getLogger(__name__)


class PrunedError(TinypropError):
    """A run of a search was ended early because it fell behind. Nothing is wrong with it."""


def execute(
    config: RunConfig,
    run_dir: Path,
    *,
    init_from: Callable[[], str] | None,
    config_yaml: str,
    command: str,
    progress: Progress,
    targets: Iterable[Target] = (),
    watch: Watch | None = None,
) -> result.Result:
    """Bring about the result of a configuration in ``run_dir`` and return it.

    A finished run of this configuration on this data is returned as it is, with ``reused`` set, and an interrupted one
    is resumed, unless ``config.trainer`` says otherwise. Whatever happens, ``result.json`` and MLflow say how it ended.

    Args:
        init_from: gives the run directory or checkpoint with the initial weights, which it may have to train first;
            None: they follow from the seed.
        config_yaml: the resolved configuration, kept as ``config.yaml``.
        command: what repeats the run, kept as ``command.txt``.
        targets: what else the cost is modelled for, besides the run's own target.
        watch: is given each epoch's row and answers why the run is to end there, or None.

    Raises:
        PrunedError: ``watch`` ended it; its result says so, and the same run can go on from there.
        TinypropError: the run failed; its result says so too.
        KeyboardInterrupt: it was interrupted; likewise.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(config.trainer.threads)
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / ".lock")
    with progress.task(f"Waiting for {run_dir}, which another process is training", None):
        lock.acquire()
    try:
        return _Run(config, run_dir, init_from, config_yaml, command, progress, tuple(targets), watch).execute()
    finally:
        lock.release()
        torch.set_num_threads(threads)


def conclude_lost(run_dir: Path, status: str, reason: str) -> result.Result | None:
    """Say in the directory of a run whose process was killed how it ended; its result, if it began.

    Nothing is changed where it has ended by itself, or where a process is training it after all.
    """
    try:
        with FileLock(run_dir / ".lock", timeout=_RELEASE_LIMIT):
            lost = result.read(run_dir)
            if lost is not None and lost["status"] == "running":
                lost |= {"status": status, "error": reason}
                result.write(run_dir, lost)
            return lost
    except (Timeout, DataError):
        return None


def _first_of_all(metrics: dict[str, float]) -> dict[str, float]:
    """The final test scores under names that MLflow's pages, which sort by name, put before all others."""
    return {name: metrics[f"test_{name}"] for name in ("accuracy", "auc") if f"test_{name}" in metrics}


_MLFLOW_STATUS: dict[str, Status] = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED", "pruned": "KILLED"}


class _Run:
    def __init__(
        self,
        config: RunConfig,
        run_dir: Path,
        init_from: Callable[[], str] | None,
        config_yaml: str,
        command: str,
        progress: Progress,
        targets: tuple[Target, ...],
        watch: Watch | None,
    ):
        self._config = config
        self._dir = run_dir
        self._init_from = init_from
        self._config_yaml = config_yaml
        self._command = command
        self._progress = progress
        self._targets = targets
        self._watch = watch
        self._environment = environment()
        self._begin = time.time()

    def execute(self) -> result.Result:
        config = self._config
        earlier = earlier_result(config, self._dir)
        if earlier is not None and is_finished(config, earlier):
            return reused(config, self._dir, earlier, self._targets, self._progress)
        store = open_store(config.tracking, Path(config.runs_dir), self._progress)
        outcome = result.header(config, self._dir)
        state = self._checkpoint()
        tracked = resumed(config, self._dir, store) if state is not None else None
        if tracked is not None and earlier is not None and earlier["status"] == "pruned":
            tracked.set_tags({"tinyprop.pruned": "gone on with"})
        if tracked is None:
            record.begin(self._dir, self._config_yaml, self._command, self._environment)
            tracked = begun(config, self._dir, store, self._environment)
        try:
            outcome["run_id"] = tracked.run_id
            result.write(self._dir, outcome)
            outcome |= self._train(tracked, state)
            self._finish(outcome, tracked)
        except KeyboardInterrupt:
            self._give_up(outcome, tracked, "killed", "interrupted")
            raise
        except PrunedError as error:
            tracked.set_tags({"tinyprop.pruned": str(error)})
            self._give_up(outcome, tracked, "pruned", str(error))
            raise
        except TinypropError as error:
            self._give_up(outcome, tracked, "failed", str(error))
            raise
        except BaseException as error:
            self._give_up(outcome, tracked, "failed", f"{type(error).__name__}: {error}")
            raise
        return outcome

    def _checkpoint(self) -> dict[str, Any] | None:
        """Where an earlier process that did not finish has left off, if this one is to go on from there."""
        path, trainer = self._dir / checkpoint.FILE_NAME, self._config.trainer
        if not trainer.resume or trainer.force or not path.exists():
            return None
        found = checkpoint.load(path)
        return found if found["config_hash"] == self._config.hash else None

    def _train(self, tracked: TrackedRun, earlier: dict[str, Any] | None) -> result.Result:
        config = self._config
        require_ready(config)
        dataset = datasets.load(config.dataset, self._progress)
        describe_dataset(tracked, config, dataset)
        if earlier is not None and earlier["dataset_fingerprint"] != dataset.fingerprint:
            raise RequestError(
                f"{self._dir}: the interrupted run there was trained on other data; "
                "set trainer.resume=false to begin anew with what is there now"
            )
        train, validation = hold_out(dataset, config.trainer.validation_fraction)
        init_from = None if self._init_from is None else self._init_from()
        backend, parameters = open_backend(config, dataset, init_from)
        initial_weights = None if init_from is None else checkpoint.digest(backend.weights())
        metrics: dict[str, float] = {}
        if init_from is not None:
            initial = evaluated(backend, dataset.test, dataset, 0)
            metrics |= {f"initial_test_{name}": value for name, value in initial.items()}
        state = FitState()
        if earlier is not None:
            backend.load_state(earlier["backend"])
            state = FitState.from_dict(earlier["fit"])
            if earlier["initial_weights"] != initial_weights:
                raise RequestError(
                    f"{self._dir}: the interrupted run there began with other weights than trainer.init_from has now; "
                    "set trainer.resume=false to begin anew with these"
                )

        def save() -> None:
            self._save(backend, dataset, state, initial_weights)

        def on_epoch(row: Row) -> None:
            tracked.log_epoch(int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"})
            reason = None if self._watch is None else self._watch(row)
            if reason is not None and row["epoch"] < config.trainer.epochs:
                save()
                raise PrunedError(reason)

        for row in state.history:
            on_epoch(row)  # a checkpoint may know epochs that a killed process had not sent yet
        if state.epoch == 0:
            save()
        fit(
            config,
            backend,
            dataset,
            train,
            validation,
            state,
            on_epoch=on_epoch,
            checkpoint=save,
            progress=self._progress,
        )
        final = evaluated(backend, dataset.test, dataset, state.epoch)
        metrics |= {f"test_{name}": value for name, value in final.items()}
        if validation is not None:
            chosen = evaluated(backend, validation, dataset, state.epoch)
            metrics |= {f"validation_{name}": value for name, value in chosen.items()}
        save()
        tracked.log_epoch(state.epoch, metrics)
        if config.tracking.log_model:
            tracked.log_model(backend.plain_module(), dataset.test.x[:2])
        outcome = result.outcome(config, dataset, state, metrics, parameters)
        outcome["initial_weights"] = initial_weights
        measured = backend.measurements()
        if measured is not None:
            outcome["mcu"] = measured.as_dict()
            tracked.log_epoch(state.epoch, {f"mcu.{name}": value for name, value in measured.numbers().items()})
        tracked.log_epoch(
            state.epoch,
            {
                **_first_of_all(metrics),
                "backward_ratio": outcome["macs"]["backward_ratio"],
                "step_ratio": outcome["macs"]["step_ratio"],
                "wall_seconds": outcome["wall_seconds"],
            },
        )
        numbers = numbers_of(backend.plain_module(), backend.moments(), train.x)
        outcome["layers"] = [layer | numbers.get(layer["name"], {}) for layer in outcome["layers"]]
        activity = activity_of(state.totals, numbers)
        costs, cost_notes = estimates_of_run(config, shape_of(dataset), activity, self._targets)
        outcome |= {"cost": {key: cost.as_dict() for key, cost in costs.items()}, "cost_notes": cost_notes}
        tracked.log_epoch(state.epoch, tracked_numbers(outcome["cost"]))
        if config.tracking.plots:
            record.write_plots(self._dir, state.history, costs)
        return outcome

    def _save(self, backend: Backend, dataset: Dataset, state: FitState, initial_weights: str | None) -> None:
        checkpoint.save(
            self._dir / checkpoint.FILE_NAME,
            {
                "config_hash": self._config.hash,
                "dataset_fingerprint": dataset.fingerprint,
                "backend": backend.state(),
                "initial_weights": initial_weights,
                "fit": state.as_dict(),
                "weights": backend.weights(),
            },
        )
        record.write_metrics(self._dir, state.history)

    def _finish(self, outcome: result.Result, tracked: TrackedRun) -> None:
        """End the run in MLflow, then in its directory: what is finished there is not looked at again."""
        outcome["status"] = "finished"
        tracked.log_text(result.as_text(outcome), result.FILE_NAME)
        self._keep_files(tracked)
        tracked.finish("FINISHED")
        result.write(self._dir, outcome)

    def _give_up(self, outcome: result.Result, tracked: TrackedRun, status: str, reason: str) -> None:
        """Say how the run ended; a store that is gone must not hide why it did."""
        outcome |= {"status": status, "error": reason}
        outcome.setdefault("wall_seconds", time.time() - self._begin)
        result.write(self._dir, outcome)
        try:
            tracked.log_text(result.as_text(outcome), result.FILE_NAME)
            self._keep_files(tracked)
        except TinypropError as error:
            _logger.warning("%s", error)
        try:
            tracked.finish(_MLFLOW_STATUS[status])
        except TinypropError as error:
            _logger.warning("%s", error)

    def _keep_files(self, tracked: TrackedRun) -> None:
        for path in record.files(self._dir):
            tracked.log_artifact(path)
