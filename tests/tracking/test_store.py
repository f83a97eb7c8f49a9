import os
import socket
import sqlite3
import subprocess
import sys
import time

import pytest

from tinyprop.errors import InvalidSettings, TinypropError
from tinyprop.tracking import TrackingSettings, open_store
from tinyprop.tracking.database import create_database
from tinyprop.tracking.settings import locate

ONE_RUN = """
import sys, pathlib, logging
logging.basicConfig(level=logging.INFO, stream=sys.stdout)  # as Hydra does
from tinyprop.tracking import TrackingSettings, open_store
store = open_store(TrackingSettings(), pathlib.Path(sys.argv[1]))
run = store.start_run("of process " + sys.argv[2], {"process": sys.argv[2]})
for epoch in range(20):
    run.log_epoch(epoch, {"loss": 1.0 / (epoch + 1)})
run.finish("FINISHED")
"""


@pytest.mark.slow
def test_four_processes_start_on_one_empty_directory(tmp_path):
    from mlflow import MlflowClient

    runs_dir = tmp_path / "runs"
    (tmp_path / "elsewhere").mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_RUN, str(runs_dir), str(number)],
            cwd=tmp_path / "elsewhere",
            env={name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(4)
    ]
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], outputs
    assert outputs == ["", "", "", ""]  # neither MLflow nor alembic says anything
    client = MlflowClient(tracking_uri=f"sqlite:///{runs_dir}/mlflow.db")
    experiment = client.get_experiment_by_name("tinyprop")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.params["process"] for run in runs) == ["0", "1", "2", "3"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(len(client.get_metric_history(run.info.run_id, "loss")) == 20 for run in runs)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not list(runs_dir.glob("*unfinished*"))


def test_the_database_is_in_wal_mode_with_artifacts_beside_it(store, client, runs_dir):
    connection = sqlite3.connect(runs_dir / "mlflow.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert client.get_experiment_by_name("tinyprop").artifact_location == (runs_dir / "mlartifacts").as_uri()


def test_an_existing_database_is_opened_at_once_and_not_created_again(store, runs_dir):
    inode = (runs_dir / "mlflow.db").stat().st_ino
    begin = time.perf_counter()
    open_store(TrackingSettings(experiment="another"), runs_dir)
    assert time.perf_counter() - begin < 1.0
    assert (runs_dir / "mlflow.db").stat().st_ino == inode


def test_another_sqlite_file_is_taken_by_its_uri_and_an_empty_file_is_filled(store, runs_dir, tmp_path):
    (tmp_path / "mine.db").touch()
    (tmp_path / "mine.db.unfinished-1").write_text("of a killed process")
    assert create_database(tmp_path / "mine.db")
    other = open_store(TrackingSettings(uri=f"sqlite:///{tmp_path}/mine.db"), runs_dir)
    run = other.start_run("there")
    run.finish("FINISHED")
    assert other.artifacts == tmp_path / "mlartifacts"
    assert not list(tmp_path.glob("*unfinished*"))


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database at all" * 100)
    with pytest.raises(TinypropError, match=r"mlflow\.db cannot be used .*tracking\.enabled=false"):
        open_store(TrackingSettings(), tmp_path)


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TinypropError, match=r"mlflow\.db: MLflow's database cannot be created"):
        open_store(TrackingSettings(), tmp_path / "file" / "runs")


def test_an_unreachable_server_is_one_error_within_seconds(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    begin = time.perf_counter()
    with pytest.raises(TinypropError, match=rf"{address} cannot be used"):
        open_store(TrackingSettings(uri=address), tmp_path)
    assert time.perf_counter() - begin < 20
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" in os.environ


@pytest.mark.parametrize("uri", ["nonsense://x", "file:///tmp/mlruns", "postgresql://127.0.0.1:1/none"])
def test_a_uri_that_mlflow_cannot_use_is_one_error(uri, tmp_path):
    with pytest.raises(TinypropError, match=r"tracking\.uri"):
        open_store(TrackingSettings(uri=uri), tmp_path)


def test_a_deleted_experiment_is_not_used_silently(store, client, runs_dir):
    open_store(TrackingSettings(experiment="gone"), runs_dir)
    client.delete_experiment(client.get_experiment_by_name("gone").experiment_id)
    with pytest.raises(TinypropError, match="mlflow experiments restore"):
        open_store(TrackingSettings(experiment="gone"), runs_dir)


def test_settings_name_every_wrong_value():
    with pytest.raises(InvalidSettings) as caught:
        TrackingSettings(uri="some/path", experiment=" ")
    assert [field for field, _ in caught.value.problems] == ["uri", "experiment"]


def test_locations_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert locate(None, tmp_path / "runs").uri == f"sqlite:///{tmp_path}/runs/mlflow.db"
    assert locate("sqlite:///x.db", tmp_path).uri == f"sqlite:///{tmp_path}/x.db"
    assert locate("http://host:5000", tmp_path).artifacts is None
