import csv
import io
import json
import math
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tinyprop.errors import TinypropError
from tinyprop.tracking import DatasetInput, TrackingSettings, UnknownRunError, open_store


def test_a_run_carries_its_name_params_tags_and_dataset(store, client):
    run = store.start_run(
        "digits-static",
        {"policy": {"name": "static", "ratio": 0.1}, "seed": 0, "widths": [32, 16]},
        {"git_commit": "abc"},
        dataset=DatasetInput("digits", "0123456789abcdef" * 4, "scikit-learn"),
    )
    run.finish("FINISHED")
    found = client.get_run(run.run_id)
    assert found.info.run_name == "digits-static"
    assert found.data.params == {"policy.name": "static", "policy.ratio": "0.1", "seed": "0", "widths": "[32,16]"}
    assert found.data.tags["git_commit"] == "abc"
    (dataset,) = found.inputs.dataset_inputs
    assert dataset.dataset.name == "digits"
    assert dataset.dataset.digest == ("0123456789abcdef" * 4)[:36]
    assert "scikit-learn" in dataset.dataset.source


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends_with_the_first_status_that_it_is_given(store, client, status):
    run = store.start_run("ending")
    assert client.get_run(run.run_id).info.status == "RUNNING"
    run.finish(status)
    run.finish("FINISHED")
    info = client.get_run(run.run_id).info
    assert info.status == status
    assert info.end_time is not None


def test_params_by_the_hundred_are_all_there(store, client):
    run = store.start_run("many params", {f"p{i}": i for i in range(250)})
    run.finish("FINISHED")
    assert client.get_run(run.run_id).data.params == {f"p{i}": str(i) for i in range(250)}


def test_a_long_param_is_kept_whole_as_an_artifact(store, client, tmp_path):
    run = store.start_run("long", {"widths": list(range(4000))})
    run.finish("FINISHED")
    path = client.download_artifacts(run.run_id, "long_params.json", str(tmp_path))
    assert json.loads(json.loads(Path(path).read_text())["widths"]) == list(range(4000))


def test_tiny_epochs_are_buffered_and_all_metrics_arrive(store, client):
    run = store.start_run("tiny epochs")
    run.log_epoch(0, {"loss": 1.0})  # the first is written at once
    begin = time.perf_counter()
    for epoch in range(1, 300):
        run.log_epoch(epoch, {"loss": 1 / epoch, "ratio.fc[1]": 0.5, **{f"m{k}": float(k) for k in range(8)}})
    assert time.perf_counter() - begin < 1.0  # one write an epoch would take over 1.5 s
    run.finish("FINISHED")
    history = client.get_metric_history(run.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 1.0), *((e, 1 / e) for e in range(1, 300))]
    assert any(name.startswith("ratio.fc_1_") for name in client.get_run(run.run_id).data.metrics)


def test_infinite_metrics_become_nan_and_are_named(store, client):
    run = store.start_run("diverged")
    run.log_epoch(0, {"loss": 2.0, "nan": math.nan})
    run.log_epoch(1, {"loss": math.inf})
    run.log_epoch(2, {"loss": -math.inf})
    run.finish("FAILED")
    values = [metric.value for metric in client.get_metric_history(run.run_id, "loss")]
    assert values[0] == 2.0
    assert all(math.isnan(value) for value in values[1:])
    assert client.get_run(run.run_id).data.tags["tinyprop.infinite"] == "loss=inf at step 1"


def test_artifacts_lie_under_the_directory_of_the_runs(store, client, runs_dir, tmp_path):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "curves.svg").write_text("<svg/>")
    (tmp_path / "result.json").write_text("{}")
    run = store.start_run("files")
    run.log_artifacts(tmp_path)
    run.log_artifact(tmp_path / "result.json")
    run.finish("FINISHED")
    assert {entry.path for entry in client.list_artifacts(run.run_id)} == {"plots", "result.json"}
    assert list((runs_dir / "mlartifacts").rglob("curves.svg"))


def test_a_resumed_run_goes_on_without_logging_an_epoch_twice(store, client):
    run = store.start_run("killed")
    for epoch in range(3):
        run.log_epoch(epoch, {"loss": float(epoch)})
    run.finish("KILLED")
    resumed = store.resume_run(run.run_id)
    assert client.get_run(run.run_id).info.status == "RUNNING"
    for epoch in range(1, 5):  # the checkpoint was older than the last logged epoch
        resumed.log_epoch(epoch, {"loss": float(epoch)})
    resumed.log_epoch(2, {"test_accuracy": 0.9})
    resumed.finish("FINISHED")
    found = client.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.metrics["test_accuracy"] == 0.9
    assert [metric.step for metric in client.get_metric_history(run.run_id, "loss")] == [0, 1, 2, 3, 4]


def test_an_unknown_or_deleted_run_cannot_be_resumed(store, client):
    with pytest.raises(UnknownRunError, match="0123abcd"):
        store.resume_run("0123abcd")
    run = store.start_run("deleted")
    run.finish("FINISHED")
    client.delete_run(run.run_id)
    with pytest.raises(UnknownRunError, match="restore"):
        store.resume_run(run.run_id)


def test_a_parent_holds_its_children_their_summary_and_the_best(store, client, tmp_path):
    parent = store.start_parent("sweep", {"sweep": "yes"})
    children = [store.start_run(f"child {i}", parent_run_id=parent.run_id) for i in range(3)]
    for child, status in zip(children, ["FINISHED", "FINISHED", "FAILED"], strict=True):
        child.finish(status)
    rows = [
        {"overrides": "seed=0", "status": "done", "accuracy": 0.9},
        {"overrides": "seed=1", "status": "done", "accuracy": 0.95},
        {"overrides": "seed=2", "status": "failed", "reason": "the loss is nan, at step 3"},
    ]
    parent.summarise(rows, children[1].run_id, {"test_accuracy": 0.95})
    parent.finish("FAILED")

    found = client.get_run(parent.run_id)
    assert found.info.status == "FAILED"
    assert found.data.metrics == {
        "children": 3,
        "children.done": 2,
        "children.failed": 1,
        "best.test_accuracy": 0.95,
    }
    assert found.data.tags["tinyprop.best_run"] == children[1].run_id
    listed = client.search_runs(
        [found.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.run_id}'", order_by=["tags.mlflow.runName"]
    )
    assert [run.info.status for run in listed] == ["FINISHED", "FINISHED", "FAILED"]
    client.download_artifacts(parent.run_id, "", str(tmp_path))
    table = (tmp_path / "summary.csv").read_text()
    assert [row["reason"] for row in csv.DictReader(io.StringIO(table))] == ["", "", "the loss is nan, at step 3"]
    assert json.loads((tmp_path / "summary.json").read_text()) == rows


@pytest.fixture
def breakable(store, runs_dir, tmp_path):
    """A store of its own, and a function that executes SQL on its database behind MLflow's back."""
    with closing(sqlite3.connect(runs_dir / "mlflow.db")) as source:
        source.execute("VACUUM INTO ?", [str(tmp_path / "mlflow.db")])

    def execute(statement):
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
            connection.execute(statement)

    return open_store(TrackingSettings(), tmp_path), execute


def test_a_store_that_fails_for_a_while_loses_no_metric(breakable, caplog):
    broken, execute = breakable
    run = broken.start_run("unlucky")
    execute("ALTER TABLE latest_metrics RENAME TO away")
    run.log_epoch(0, {"loss": 1.0})
    assert "sent again later" in caplog.text
    execute("ALTER TABLE away RENAME TO latest_metrics")
    run.log_epoch(1, {"loss": 0.5})
    run.finish("FINISHED")
    assert [metric.value for metric in broken._client.get_metric_history(run.run_id, "loss")] == [1.0, 0.5]


def test_a_store_that_fails_at_the_end_is_an_error_and_the_status_is_still_set(breakable):
    broken, execute = breakable
    run = broken.start_run("unlucky")
    execute("ALTER TABLE metrics RENAME TO away")
    run.log_epoch(0, {"loss": 1.0})
    with pytest.raises(TinypropError, match="metrics cannot be stored"):
        run.finish("FINISHED")
    execute("ALTER TABLE away RENAME TO metrics")
    assert broken._client.get_run(run.run_id).info.status == "FAILED"  # what is not whole is not finished


@pytest.mark.parametrize(("reason", "status"), [(KeyboardInterrupt(), "KILLED"), (TinypropError("full"), "FAILED")])
def test_a_run_that_ends_while_it_is_being_described_says_why(store, client, monkeypatch, reason, status):
    def ending(*arguments):
        raise reason

    monkeypatch.setattr("tinyprop.tracking.run.TrackedRun.log_params", ending)
    name = f"described {status}"
    with pytest.raises(type(reason)):
        store.start_run(name)
    (found,) = client.search_runs([store._experiment_id], f"attributes.run_name = '{name}'")
    assert found.info.status == status


def test_no_active_run_leaks_into_mlflows_fluent_interface(store):
    import mlflow

    run = store.start_run("leak?")
    assert mlflow.active_run() is None
    run.finish("FINISHED")
    assert mlflow.active_run() is None


def test_without_tracking_everything_is_accepted_and_nothing_is_written(tmp_path):
    store = open_store(TrackingSettings(enabled=False), tmp_path)
    run = store.start_run("x", {"a": 1}, {"b": "c"}, None, DatasetInput("digits", "00", "scikit-learn"))
    parent = store.start_parent("sweep")
    run.log_epoch(0, {"loss": 1.0})
    run.log_artifacts(tmp_path)
    run.log_artifact(tmp_path / "missing")
    run.log_model(None, None)
    parent.summarise([{"status": "done"}], None, {})
    run.finish("FINISHED")
    parent.finish("FINISHED")
    assert (run.run_id, parent.run_id, store.resume_run("any").run_id, store.uri) == (None, None, None, None)
    assert list(tmp_path.iterdir()) == []
